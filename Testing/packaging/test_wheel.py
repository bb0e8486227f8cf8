"""What ``pip install .`` installs: the whole package, with models and sample case."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import pytest
from extension import ROOT, bundled_files, check, copy_sources, files_below, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, unpacked; built from a copy, for setuptools writes beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    sources = copy_sources(folder / "sources")
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    check(run(sys.executable, "-m", "pip", "wheel", *options, ".", folder=sources))
    (archive,) = folder.glob("medsynth_core-*.whl")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_wheel_holds_the_package_with_its_bundled_files(wheel: Path) -> None:
    core = {file for file in files_below(ROOT / "medsynth_core") if file != "CMakeLists.txt"}
    assert files_below(wheel / "medsynth_core") == core | {f"bundled/{file}" for file in bundled_files(ROOT)}


def test_wheel_holds_nothing_beside_the_package(wheel: Path) -> None:
    assert {path.name for path in wheel.iterdir() if path.suffix != ".dist-info"} == {"medsynth_core"}


def test_wheel_states_licence_and_command(wheel: Path) -> None:
    (information,) = wheel.glob("*.dist-info")
    assert "License-Expression: Apache-2.0\n" in (information / "METADATA").read_text(encoding="utf-8")
    assert (information / "licenses" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert "medsynth = medsynth_core.cli:main" in (information / "entry_points.txt").read_text()


def test_installed_package_finds_the_bundled_files(wheel: Path, tmp_path: Path) -> None:
    code = "from medsynth_core.resources import resource_folder; print(resource_folder())"
    done = run(sys.executable, "-c", code, folder=tmp_path, environment={**os.environ, "PYTHONPATH": str(wheel)})
    assert Path(check(done).strip()) == wheel / "medsynth_core" / "bundled"
