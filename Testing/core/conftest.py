"""What the tests of the core share."""

from __future__ import annotations

from pathlib import Path

import pytest

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
