"""A small generator of registered CT and PET with lesions, trained on phantoms."""

from __future__ import annotations

from pathlib import Path

import pytest
from generation_builders import PHANTOMS, shared_package


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the package of a generator that was trained on phantoms, with its structure maps."""
    return shared_package(tmp_path_factory)


@pytest.fixture(scope="session")
def phantoms(package: Path) -> Path:
    """Return the manifest of these phantoms, of up to 64² pixels, with lesions."""
    return package.parents[1] / PHANTOMS / "manifest.csv"
