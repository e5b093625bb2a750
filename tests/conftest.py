"""Shared by all tests: the hypothesis profile, the public test vectors, and skipping where a package may be missing."""

from pathlib import Path

import pytest
from hypothesis import settings

# The duration of an example depends on other load of the machine, so there is no deadline.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors"


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of public test vectors, `../shared/vectors` next to the checkout; skips the test if it is missing."""
    if not VECTORS.is_dir():
        pytest.skip("the public test vectors are missing (../shared/vectors)")
    return VECTORS


def pytest_addoption(parser):
    parser.addoption(
        "--may-lack",
        default="",
        metavar="MODULES",
        help="skip tests that fail because one of these modules is not installed; 'any' for every module but our own "
        "(noxfile.py: environments without extras). Without this option such a test fails.",
    )


def missing_module(config: pytest.Config, error: BaseException | None) -> str | None:
    """Return the module whose absence led to this error, for example `"boto3"`; `None` unless `--may-lack` allows it."""
    allowed = config.getoption("--may-lack").split(",")
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            name = error.name.partition(".")[0]
            if name in allowed or ("any" in allowed and not (config.rootpath / name).is_dir()):
                return name
        error = error.__cause__ or error.__context__
    return None


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
