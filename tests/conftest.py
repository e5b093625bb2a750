"""Shared by all tests: the hypothesis profile, the public test vectors, and skipping where a package may be missing."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

# The duration of an example depends on other load of the machine, so there is no deadline.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

# What `--unit` leaves out: these need trained models, or start whole services and programs that are not Python's.
NOT_UNIT = ("e2e", "deploy", "helm", "training", "drift/test_comparison.py")
VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors"


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of public test vectors, `../shared/vectors` next to the checkout; skips the test if it is missing."""
    if not VECTORS.is_dir():
        pytest.skip("the public test vectors are missing (../shared/vectors)")
    return VECTORS


def pytest_addoption(parser):
    parser.addoption("--unit", action="store_true", help=f"leave out tests/{', tests/'.join(NOT_UNIT)}")
    parser.addoption(
        "--may-lack",
        default="",
        metavar="MODULES",
        help="skip tests that fail because one of these modules is not installed; 'any' for every module but our own "
        "(noxfile.py: environments without extras). Without this option such a test fails.",
    )


def pytest_ignore_collect(collection_path, config):
    """Leave out what `--unit` leaves out; `None` lets other rules decide."""
    folder = Path(__file__).parent
    left_out = config.getoption("--unit") and collection_path in [folder / name for name in NOT_UNIT]
    return True if left_out else None


def missing_module(config: pytest.Config, error: BaseException | None) -> str | None:
    """Return the module whose absence led to this error, for example `"boto3"`; `None` unless `--may-lack` allows it."""
    allowed = config.getoption("--may-lack").split(",")
    for cause in causes(error):
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            name = cause.name.partition(".")[0]
            if name in allowed or ("any" in allowed and not (config.rootpath / name).is_dir()):
                return name
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all that led to it, the members of groups included."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for member in error.exceptions:
                yield from causes(member)
        error = error.__cause__ or error.__context__


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Skip a test whose mark `needs` names a module that may be missing, and is."""
    for mark in item.iter_markers("needs"):
        (name,) = mark.args
        if find_spec(name) is None and missing_module(item.config, ModuleNotFoundError(name=name)):
            pytest.skip(f"{name} is not installed")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Skip a file that imports a module that may be missing."""
    report = yield
    if report.failed and (name := missing_module(collector.config, report.call.excinfo.value)):
        report.outcome, report.longrepr = "skipped", (str(collector.path), None, f"Skipped: {name} is not installed")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Skip a test that used a module that may be missing."""
    report = yield
    if report.failed and (name := missing_module(item.config, call.excinfo.value)):
        report.outcome, report.longrepr = (
            "skipped",
            (str(item.path), item.location[1], f"Skipped: {name} is not installed"),
        )
    return report
