"""A small generator of registered CT and PET with lesions, trained on phantoms."""

from __future__ import annotations

from pathlib import Path

import pytest
from generation_builders import train_generator, write_lesion_phantoms


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the manifest of phantoms of 64² pixels with lesions."""
    return write_lesion_phantoms(tmp_path_factory.mktemp("phantoms"))


@pytest.fixture(scope="session")
def package(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the package of a generator that was trained on the phantoms, with its structure maps."""
    return train_generator(phantoms, tmp_path_factory.mktemp("trained"))
