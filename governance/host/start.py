"""The start of a service, as its master and its workers see it: a fault that a restart cannot change ends the master.

BentoML restarts a worker that fails to start, without end. The master checks before any socket what it can
(`Governance.preflight_or_exit`), but the service's own constructor runs in the workers only. A worker whose start fails
there writes the reason into a file that it has inherited, and asks the master to end; the master prints the reason as
its last line, with status 1. If another worker of the same service has started before, that one goes on.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from governance.errors import ConfigurationError, GovernanceError, IntegrityError

START = "_BENTO_GOVERNANCE_START"
STARTED, FAILED = "started ", "failed "
MAX_CHARACTERS = 1000
server_log = logging.getLogger("uvicorn.error")
# A restart changes nothing about these. A key service that did not answer may answer the next time.
FINAL = (ConfigurationError, IntegrityError)


def watch_start() -> None:
    """Prepare, in the master, to be ended by a worker that cannot start."""
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    os.set_inheritable(descriptor, True)
    os.environ[START] = json.dumps({"parent": os.getpid(), "file": descriptor})
    atexit.register(_end_with_reason, descriptor, os.getpid())


def start_succeeded(service: str) -> None:
    """Record, in a worker of this service, that it has started: a later fault ends only the worker that has it."""
    descriptor = _inherited()
    if descriptor is not None:
        with _locked(descriptor) as lines:
            _append(descriptor, lines, f"{STARTED}{service}")


def report_failure(error: GovernanceError, service: str | None = None) -> str:
    """End the master because of an error that a restart of this worker would not change.

    Args:
        error: why the worker does not start.
        service: the service of the worker; None if it is not known yet.

    Returns:
        the sentence that the worker has to log; empty if the master prints it.
    """
    sentence = f"{error.code}: {error}"
    descriptor = _inherited()
    if descriptor is None or not isinstance(error, FINAL) or not _handles_termination(os.getppid()):
        return sentence
    with _locked(descriptor) as lines:
        if any(line.startswith(STARTED) and service in (None, line[len(STARTED) :]) for line in lines):
            return sentence
        _append(descriptor, lines, FAILED + " ".join(sentence.split())[:MAX_CHARACTERS])
    # The server in this process would add lines of its own to the reason.
    server_log.disabled = True
    os.kill(os.getppid(), signal.SIGTERM)
    return ""


def _inherited() -> int | None:
    """Return the descriptor of the file that the parent process made for this one; None if it made none."""
    try:
        record = json.loads(os.environ.get(START, "{}"))
        descriptor = int(record["file"]) if record["parent"] == os.getppid() else None
        if descriptor is not None:
            os.fstat(descriptor)
    except (ValueError, KeyError, TypeError, OSError):
        return None
    return descriptor


@contextmanager
def _locked(descriptor: int) -> Iterator[list[str]]:
    """Yield the lines that workers have written; no other worker reads or writes until the block ends."""
    fcntl.lockf(descriptor, fcntl.LOCK_EX)
    try:
        yield _lines(descriptor)
    finally:
        fcntl.lockf(descriptor, fcntl.LOCK_UN)


def _lines(descriptor: int) -> list[str]:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0).decode("utf-8", "replace").splitlines()


def _append(descriptor: int, lines: list[str], line: str) -> None:
    if line not in lines:
        os.pwrite(descriptor, f"{line}\n".encode(), os.fstat(descriptor).st_size)


def _handles_termination(process: int) -> bool:
    """Return whether a process has a handler for SIGTERM, as BentoML's master has: others would be killed by it."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def _end_with_reason(descriptor: int, owner: int) -> None:
    """Print the reason of a failed start as the master's last line, and end it with status 1."""
    if os.getpid() != owner:
        return
    reasons = [line.removeprefix(FAILED) for line in _lines(descriptor) if line.startswith(FAILED)]
    if not reasons:
        return
    sys.stdout.flush()
    print(f"bento-governance: {reasons[0]}", file=sys.stderr, flush=True)
    # An exit handler cannot change the status in another way.
    os._exit(1)
