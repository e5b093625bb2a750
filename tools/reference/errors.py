"""The reference of errors: code, HTTP status, exit status, meaning, remedy."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path

from governance.cli.drift import EXIT_DRIFTED, EXIT_TOO_FEW
from governance.cli.main import EXIT_CODES, exit_code
from governance.errors import GovernanceError
from governance.gate.errors import OWN_STATUS, STATUS_OF, status_of
from tools.reference.markdown import page, table

PAGE = Path("docs/reference/errors.md")
INTRODUCTION = """
An error has a stable code. It is in the body of an HTTP answer, in the log, in the label `reason` of
`governance_requests_total`, in the audit log, and before the message of a command.

Under `/v2` an HTTP answer is `{"error": "MESSAGE"}`, as in the Open Inference Protocol; on all other routes it is a
problem document (RFC 9457):

```json
{"type": "about:blank", "title": "Forbidden", "status": 403,
 "detail": "the policy does not permit this", "code": "forbidden"}
```
"""
AFTERWARDS = """
An answer with status 500 has the code `internal` and no details, because the message could hold data of the caller. The
class of the error and its place in the code are in the log of the service. Two more reasons are counted and logged:
`application` (the service's own code answered with an error) and `internal` (any unexpected error).
"""
# Exit statuses that no error of ours has.
OTHER_STATUSES: Mapping[int, str] = {
    0: "Success.",
    1: "Unexpected error, or interrupted.",
    2: "Wrong command line; the message says what is wrong.",
    EXIT_DRIFTED: "`drift check`: a model has reached the state of `--fail-on`.",
    EXIT_TOO_FEW: "`drift check`: a model has too few items to judge.",
}


def errors_files() -> dict[Path, str]:
    """Return the page."""
    return {PAGE: errors_page()}


def errors_page() -> str:
    """Return the page: a table of errors, one of HTTP statuses, one of exit statuses."""
    kinds = list(errors())
    rows = [
        (
            f"`{kind.code}`",
            _http(kind),
            str(exit_code(_made(kind))),
            f"{meaning(kind)} {_detail(kind)}".strip(),
            kind.remedy,
        )
        for kind in kinds
    ]
    return page(
        "Errors",
        "governance/errors.py, governance/gate and governance/cli/main.py",
        INTRODUCTION,
        "## Codes",
        table(("Code", "HTTP status", "Exit status", "Meaning", "What to do"), rows),
        AFTERWARDS,
        "## HTTP status",
        table(("Status", "Codes"), _by_status(kinds)),
        "## Exit status",
        table(("Status", "Meaning"), _by_exit_status()),
    )


def errors(kind: type[GovernanceError] = GovernanceError) -> Iterator[type[GovernanceError]]:
    """Yield every error of `governance.errors` below this one, the tree's order, parents first."""
    for below in kind.__subclasses__():
        if below.__module__ == GovernanceError.__module__:
            yield below
            yield from errors(below)


def meaning(kind: type[GovernanceError]) -> str:
    """Return the first sentence of an error's docstring."""
    return (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ")


def _detail(kind: type[GovernanceError]) -> str:
    """Return where the error is one of a kind, for the reader who handles kinds."""
    parent = kind.__mro__[1]
    return (
        ""
        if parent is GovernanceError
        else f"A kind of `{parent.code}`."
        if issubclass(parent, GovernanceError)
        else ""
    )


def _made(kind: type[GovernanceError]) -> GovernanceError:
    """Return an instance without calling the class, whose arguments differ."""
    return kind.__new__(kind)


def _http(kind: type[GovernanceError]) -> str:
    if issubclass(kind, OWN_STATUS):
        return "the service's own"
    elsewhere, under_v2 = (int(status_of(_made(kind), under_v2=under)) for under in (False, True))
    if elsewhere == HTTPStatus.INTERNAL_SERVER_ERROR:
        return "500, without details"
    return str(elsewhere) if elsewhere == under_v2 else f"{under_v2} under `/v2`, else {elsewhere}"


def _by_status(kinds: list[type[GovernanceError]]) -> list[tuple[str, str]]:
    found: dict[int, list[str]] = {status: [] for _, status in STATUS_OF}
    for kind in kinds:
        if issubclass(kind, OWN_STATUS):
            continue
        for under_v2 in (False, True):
            codes = found.setdefault(status_of(_made(kind), under_v2=under_v2), [])
            if f"`{kind.code}`" not in codes:
                codes.append(f"`{kind.code}`")
    # Without the status's phrase, which differs between versions of Python.
    return [(str(int(status)), ", ".join(codes)) for status, codes in sorted(found.items())]


def _by_exit_status() -> list[tuple[str, str]]:
    ours = {code: f"`{kind.code}`: {meaning(kind)}" for kind, code in EXIT_CODES}
    return [(str(code), text) for code, text in sorted({**ours, **OTHER_STATUSES}.items())]
