"""A watch continues after a failed check, and logs only the class of the error."""

import asyncio
import logging

from governance.errors import ConfigurationError
from governance.plugins.watch import Watch


async def test_watch_continues_after_a_failed_check(caplog):
    looks, enough = [], asyncio.Event()

    async def look():
        looks.append(len(looks))
        if len(looks) == 5:
            enough.set()
        if len(looks) == 1:
            raise ValueError("4111 1111 1111 1111")
        if len(looks) == 2:
            raise ConfigurationError("the file is not there")

    with caplog.at_level(logging.ERROR):
        watch = Watch("test", 0.01, look)
        await enough.wait()
        await watch.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "the check of test failed: ValueError",
        "the check of test failed: the file is not there",
    ]
    before = len(looks)
    await asyncio.sleep(0.05)
    assert len(looks) == before
