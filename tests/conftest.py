"""What all tests share: where the public vectors lie."""

from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes is no promise of ours, and depends on what else the machine does.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors"


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of public test vectors beside the checkout."""
    if not VECTORS.is_dir():
        pytest.skip("the public vectors do not lie beside this checkout (../shared/vectors)")
    return VECTORS
