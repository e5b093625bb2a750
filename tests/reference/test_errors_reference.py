"""Every error has a unique code, a meaning and a remedy, and is on the page."""

import pytest

from governance.errors import GovernanceError
from tools.reference.errors import errors, errors_page, meaning

ALL = list(errors())


def faults(kind: type[GovernanceError]) -> list[str]:
    own = vars(kind)
    return [name for name in ("code", "remedy", "__doc__") if not own.get(name)]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_errors_reference_every_error_has_code_meaning_and_remedy(kind):
    assert faults(kind) == []
    assert meaning(kind).endswith(".") and kind.remedy.endswith(".")


def test_errors_reference_check_detects_an_unexplained_error():
    class SilentError(GovernanceError):
        pass

    assert faults(SilentError) == ["code", "remedy", "__doc__"]


def test_error_codes_are_unique():
    assert len({kind.code for kind in ALL}) == len(ALL) > 20


@pytest.mark.parametrize(
    "row",
    [
        "| `unauthenticated` | 401 | 6 |",
        "| `bad_request` | 400 under `/v2`, else 422 | 6 |",
        "| `stopped` | 503 | 1 |",
        "| `key_refused` | 500, without details | 3 |",
        "| `integrity` | 500, without details | 5 |",
        "| `key_unavailable` | 503 | 4 |",
        "| 413 | `too_large` |",
        "| 7 | `drift check`:",
    ],
)
def test_errors_reference_page_has_the_status_of_each_error(row):
    assert row in errors_page()
