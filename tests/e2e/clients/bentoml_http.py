"""Calls the service of `side/` with both HTTP clients of BentoML; prints what came back, or was raised, as JSON.

Arguments: the service's URL, and an API key or an empty text.
"""

import asyncio
import inspect
import json
import sys
import tempfile
from pathlib import Path

import bentoml

STATUSES = (401, 404, 409, 418, 429, 501, 504)
CALLS = (
    ("letter", {"name": "Ada"}),
    ("page", {"name": "Ada"}),
    ("table", {"name": "Ada"}),
    ("archive", {}),
    ("picture", {}),
    ("wrong", {"number": 3}),
    ("busy", {}),
    ("slow", {}),
    ("stream", {"seconds": 0}),
    ("size", {"file": Path(__file__)}),
    *(("status", {"status": status}) for status in STATUSES),
)


def shown(value):
    """Return a value for the comparison: files and pictures as their bytes, without their temporary names."""
    if isinstance(value, Path):
        return [value.suffix, value.read_bytes().hex()]
    return value.tobytes().hex() if hasattr(value, "tobytes") else value


def exception(error):
    return ["raised", type(error).__name__, int(getattr(error, "error_code", 0))]


def synchronous(url, token):
    with bentoml.SyncHTTPClient(url, token=token) as client:
        for name, arguments in CALLS:
            try:
                reply = getattr(client, name)(**arguments)
                yield name, "".join(reply) if inspect.isgenerator(reply) else shown(reply)
            except Exception as error:
                yield name, exception(error)
        try:
            yield "task", client.work.submit(seconds=0.1).get()
        except Exception as error:
            yield "task", exception(error)


async def asynchronous(url, token):
    seen = []
    async with bentoml.AsyncHTTPClient(url, token=token) as client:
        for name, arguments in CALLS:
            try:
                reply = getattr(client, name)(**arguments)
                seen.append(
                    [
                        name,
                        "".join([piece async for piece in reply]) if inspect.isasyncgen(reply) else shown(await reply),
                    ]
                )
            except Exception as error:
                seen.append([name, exception(error)])
        try:
            task = await client.work.submit(seconds=0.1)
            for _ in range(200):
                if (await task.get_status()).value == "completed":
                    break
                await asyncio.sleep(0.1)
            seen.append(["task", await task.get()])
        except Exception as error:
            seen.append(["task", exception(error)])
    return seen


with tempfile.TemporaryDirectory() as tempfile.tempdir:
    url, token = sys.argv[1], sys.argv[2] or None
    print(json.dumps([list(synchronous(url, token)), asyncio.run(asynchronous(url, token))]))
