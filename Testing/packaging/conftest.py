"""Fixtures of the packaging tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from extension import ROOT, check, configure, copy_sources, pack

# As for the core: see its conftest.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MEDSYNTH_BACKEND", "torch")


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the build folder of the extension, configured."""
    folder = tmp_path_factory.mktemp("build")
    check(configure(ROOT, folder))
    return folder


@pytest.fixture(scope="session")
def modules(build: Path) -> Path:
    """Return the folder of the modules in the extension's package, unpacked."""
    return pack(build)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Return a copy of what the extension is made from, to change."""
    return copy_sources(tmp_path / "sources")
