"""One BentoML service, as BentoML's documents write them: served plain and guarded, and compared."""

import asyncio
import time
from collections.abc import AsyncGenerator
from http import HTTPStatus
from pathlib import Path

import bentoml
from bentoml.exceptions import BentoMLException, InvalidArgument, ServiceUnavailable
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse


@bentoml.service(traffic={"timeout": 2})
class Plain:
    """Answers with any status, works in the background, and streams."""

    @bentoml.api
    def status(self, status: int) -> str:
        """Raise an error with a status, or answer 200."""
        if status == 200:
            return "fine"
        raise BentoMLException(f"status {status} of the service", error_code=HTTPStatus(status))

    @bentoml.api
    def wrong(self, number: int) -> int:
        """Refuse every number."""
        raise InvalidArgument(f"{number} is not a good number")

    @bentoml.api
    def busy(self) -> int:
        """Answer 503."""
        raise ServiceUnavailable("come back later")

    @bentoml.api
    async def slow(self) -> int:
        """Take longer than the time-out."""
        await asyncio.sleep(5)
        return 1

    @bentoml.api
    def size(self, file: Path) -> int:
        """Return the size of an uploaded file."""
        return file.stat().st_size

    @bentoml.task
    def work(self, seconds: float) -> float:
        """Work in the background."""
        time.sleep(seconds)
        return seconds

    @bentoml.api
    async def stream(self, seconds: float) -> AsyncGenerator[str, None]:
        """Stream two pieces, then clean up for a while."""
        yield "one "
        yield "two"
        await asyncio.sleep(0)


async def patients(scope, receive, send):
    """Answer any method with the method and the path."""
    await JSONResponse({"method": scope["method"], "path": scope["path"]})(scope, receive, send)


async def later(scope, receive, send):
    """Answer at once, and work for two seconds after it."""

    async def work():
        await asyncio.sleep(2)

    await JSONResponse({"accepted": True}, background=BackgroundTask(work))(scope, receive, send)


async def teapot(scope, receive, send):
    """Answer with statuses and fields that only an ASGI application has."""
    status = int(dict(scope["headers"]).get(b"x-status", b"418"))
    await JSONResponse({"detail": "from an ASGI application"}, status, {"retry-after": "7"})(scope, receive, send)


Plain.mount_asgi_app(patients, path="/patients")
Plain.mount_asgi_app(later, path="/later")
Plain.mount_asgi_app(teapot, path="/teapot")
