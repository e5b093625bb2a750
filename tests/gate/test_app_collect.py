"""Answers that are collected: an application that ends without one, and a client that has gone."""

import asyncio

import pytest

from governance.errors import ClientGoneError
from governance.gate.app_collect import CollectedAnswer
from governance.gate.background import Background


async def _silent(_scope, receive, _send):
    await receive()
    await receive()


def _complete(messages):
    async def receive():
        return messages.pop(0)

    async def run():
        answer = CollectedAnswer(_silent, {"type": "http"}, b"", receive, 100)
        return await answer.complete(Background(1, 1.0))

    return asyncio.run(run())


def test_complete_says_that_the_client_has_gone():
    with pytest.raises(ClientGoneError):
        _complete([{"type": "http.disconnect"}])


def test_complete_says_that_the_application_gave_no_answer():
    with pytest.raises(RuntimeError, match="ended before"):
        _complete([{"type": "http.request", "body": b""}])
