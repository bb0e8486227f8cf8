"""What the tests of the core share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Networks of the tests are tiny: threads of torch would only wait for each other, here and in processes started here.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of the real development data, which users do not have."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the development data (../shared/data) is not on this machine")
    return folder


@pytest.fixture(scope="session")
def sample_case() -> Path:
    """Return the folder of the sample case that the project ships."""
    return ROOT / "Resources" / "SampleCase"
