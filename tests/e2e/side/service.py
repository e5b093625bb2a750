"""One BentoML service, as BentoML's documents write them: served plain and guarded, and compared."""

import asyncio
import time
from collections.abc import AsyncGenerator
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import bentoml
from bentoml.exceptions import BentoMLException, InvalidArgument, ServiceUnavailable
from bentoml.validators import ContentType
from PIL.Image import Image
from PIL.Image import new as new_image
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
        if status is True or status not in {one.value for one in HTTPStatus}:
            raise InvalidArgument("not a status")
        raise BentoMLException(f"status {status} of the service", error_code=HTTPStatus(status))

    @bentoml.api
    def wrong(self, number: int) -> int:
        """Refuse every number."""
        raise InvalidArgument(f"{number} is not a good number")

    @bentoml.api
    def broken(self, word: str) -> str:
        """Fail with the caller's word in the error."""
        raise ValueError(f"no such word: {word}")

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

    @bentoml.api
    def letter(self, name: str) -> str:
        """Return a text."""
        return f"Dear {name}, write to ada@example.org."

    @bentoml.api
    def page(self, name: str) -> Annotated[str, ContentType("text/html")]:
        """Return a page."""
        return f"<p>{name}: ada&#64;example.org</p>"

    @bentoml.api
    def unsaid(self, name: str):
        """Return a text, and say nothing about it in the signature."""
        return f"{name}: ada@example.org"

    @bentoml.api
    def table(self, name: str, context: bentoml.Context) -> Annotated[Path, ContentType("text/csv")]:
        """Return a file of text."""
        file = Path(context.temp_dir) / "table.csv"
        file.write_text(f"name,mail\n{name},ada@example.org\n")
        return file

    @bentoml.api
    def archive(self, context: bentoml.Context) -> Path:
        """Return a file of bytes."""
        file = Path(context.temp_dir) / "archive.bin"
        file.write_bytes(bytes(range(256)))
        return file

    @bentoml.api
    def picture(self) -> Image:
        """Return a picture."""
        return new_image("RGB", (8, 8), "red")

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
    fields = dict(scope["headers"])
    status, kind = int(fields.get(b"x-status", b"418")), fields.get(b"x-type", b"application/json").decode()
    answer = JSONResponse({"detail": "from an ASGI application"}, status, {"retry-after": "7"}, media_type=kind)
    await answer(scope, receive, send)


Plain.mount_asgi_app(patients, path="/patients")
Plain.mount_asgi_app(later, path="/later")
Plain.mount_asgi_app(teapot, path="/teapot")


async def slow(scope, receive, send):
    """Answer after a second and a half."""
    await asyncio.sleep(1.5)
    await JSONResponse({"slow": True})(scope, receive, send)


Plain.mount_asgi_app(slow, path="/slow-answer")
