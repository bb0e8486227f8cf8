"""Small generators: of registered CT and PET with lesions, trained on phantoms, and of pictures, trained on discs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from generation_builders import PHANTOMS, shared_package
from picture_generators import shared_generator, shared_pictures


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the package of a generator that was trained on phantoms, with its structure maps."""
    return shared_package(tmp_path_factory)


@pytest.fixture(scope="session")
def phantoms(package: Path) -> Path:
    """Return the manifest of these phantoms, of up to 64² pixels, with lesions."""
    return package.parents[1] / PHANTOMS / "manifest.csv"


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the manifest of discs: photographs in colour, the same in grey with classes, and masks of vessels."""
    return shared_pictures(tmp_path_factory)


@pytest.fixture(scope="session")
def picture_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what returns the package of a generator of pictures by its name in `picture_generators`."""
    return lambda name: shared_generator(tmp_path_factory, name)
