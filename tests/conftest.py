"""Shared by all tests: the hypothesis profile and the folder of public test vectors."""

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
