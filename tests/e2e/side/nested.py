"""A guarded service that needs an inner one for every answer."""

import asyncio

import bentoml

from governance import Governance


@bentoml.service(name="inner")
class Inner:
    """Takes its time."""

    @bentoml.api
    async def wait(self, seconds: float) -> str:
        """Wait."""
        await asyncio.sleep(seconds)
        return "fine"


@bentoml.service(name="outer")
class Plain:
    """Asks the inner service."""

    inner = bentoml.depends(Inner)

    @bentoml.api
    async def status(self, seconds: float = 0.0) -> str:
        """Let the inner service wait, then ask it once more."""
        await self.inner.to_async.wait(seconds)
        return await self.inner.to_async.wait(0.0)


Outer = Governance.from_file("nested.toml").guard(Plain)
