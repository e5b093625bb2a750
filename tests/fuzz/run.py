"""The loop: random requests on many connections, good ones between them, and what counts as a failure."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.mutate import Attempt, Good, attempt
from tests.fuzz.wire import NO_ANSWER, NoAnswerError, send

CONNECTIONS, LOOK_EVERY, PROGRESS_SECONDS = 8, 50, 10.0
# What an answer of ours or of the service's own code may be; 503 is also shed load.
ALLOWED = frozenset({NO_ANSWER, 501, 502, 503, 504})


@dataclass(slots=True)
class Target:
    """One running service.

    Attributes:
        name: for the failures' files.
        port: on the loopback interface.
        token: a valid API key.
        seeds: good requests; the first one must always be answered with 200.
        log: the file of the service's output.
    """

    name: str
    port: int
    token: str
    seeds: Sequence[Good]
    log: Path


@dataclass(slots=True)
class Outcome:
    """What has happened so far.

    Attributes:
        statuses: answers by status; 0 is a closed connection.
        failures: a sentence for each attempt that failed, in their order.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = ", ".join(f"{status or 'closed'}: {number:,}" for status, number in sorted(self.statuses.items()))
        return f"{self.statuses.total():,} requests ({counts}), {len(self.failures)} failures"


async def fuzz(
    targets: Sequence[Target], seconds: float, seed: int, folder: Path, say: Callable[[str], None]
) -> Outcome:
    """Send random requests for some seconds.

    Args:
        targets: the services.
        seconds: how long.
        seed: of the randomness.
        folder: where the bytes of requests that fail are saved.
        say: gets a line of progress now and then.
    """
    outcome, end = Outcome(), time.monotonic() + seconds
    say(f"fuzz: seed {seed}, {seconds:.0f} s, {', '.join(target.name for target in targets)}")

    async def connection(number: int) -> None:
        chance = random.Random(f"{seed}/{number}")
        sent = 0
        while time.monotonic() < end:
            target = chance.choice(targets)
            await _one(target, attempt(chance, target.seeds, target.token), outcome, folder)
            sent += 1
            if sent % LOOK_EVERY == 0:
                await _good(target, outcome)

    async def progress() -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            say(f"fuzz: {max(0.0, end - time.monotonic()):.0f} s left, {outcome}")

    reports = asyncio.create_task(progress())
    await asyncio.gather(*(connection(number) for number in range(CONNECTIONS)))
    reports.cancel()
    for target in targets:
        await _good(target, outcome)
        outcome.failures += _faults_in_log(target)
    say(f"fuzz: {outcome}")
    return outcome


async def _one(target: Target, one: Attempt, outcome: Outcome, folder: Path) -> None:
    try:
        status, first = await send(target.port, one)
    except NoAnswerError as error:
        _save(target, one, outcome, folder, str(error))
        return
    except OSError as error:
        _save(target, one, outcome, folder, f"no connection: {error}")
        return
    outcome.statuses[status] += 1
    if status not in ALLOWED and not 100 <= status < 500:
        _save(target, one, outcome, folder, first[:300].decode("latin-1"))


def _save(target: Target, one: Attempt, outcome: Outcome, folder: Path, reason: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{target.name}-{len(outcome.failures)}.bin"
    file.write_bytes(one.raw)
    outcome.failures.append(f"{target.name}: {reason} (saved as {file})")


async def _good(target: Target, outcome: Outcome) -> None:
    """Send the first seed as it is: the service must still answer."""
    seed = target.seeds[0]
    fields = "".join(f"{name}: {value}\r\n" for name, value in seed.fields)
    head = f"{seed.method} {seed.path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {target.token}\r\n{fields}"
    whole = f"{head}content-length: {len(seed.body)}\r\n\r\n".encode() + seed.body
    try:
        status, first = await send(target.port, Attempt((whole,), is_whole=True))
    except (NoAnswerError, OSError) as error:
        status, first = NO_ANSWER, str(error).encode()
    if status != 200:
        outcome.failures.append(f"{target.name}: a good request got {status}: {first[:300].decode('latin-1')}")


def _faults_in_log(target: Target) -> list[str]:
    lines = target.log.read_text(errors="replace").splitlines()
    return [f"{target.name}: in the log: {line[:300]}" for line in lines if "Traceback" in line or "unforeseen" in line]
