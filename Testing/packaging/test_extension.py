"""The package of the Slicer extension contains everything it needs and works when installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from extension import (
    MODULE_NAMES,
    ROOT,
    bundled_files,
    check,
    configure,
    expected_package,
    files_below,
    pack,
    run,
    tool,
)

pytestmark = pytest.mark.slow


def test_package_holds_exactly_the_files_of_the_project(modules: Path) -> None:
    packed, expected = files_below(modules), expected_package(ROOT)
    assert packed == expected
    assert {"MedSynth.py", "MedSynthTrain.py", "medsynth_core/__init__.py"} <= packed
    assert "medsynth_core/bundled/SampleCase/ct.nii.gz" in packed


def test_packed_core_finds_the_bundled_files(modules: Path, tmp_path: Path) -> None:
    code = "from medsynth_core.resources import resource_folder; print(resource_folder())"
    environment = {**os.environ, "PYTHONPATH": str(modules)}
    found = Path(check(run(sys.executable, "-c", code, folder=tmp_path, environment=environment)).strip())
    assert found == modules / "medsynth_core" / "bundled"
    assert files_below(found) == bundled_files(ROOT)


def test_tests_in_slicer_are_registered(build: Path) -> None:
    listed = check(run(tool("ctest"), "-N", folder=build))
    for name in MODULE_NAMES:
        assert f" py_{name}\n" in listed
        assert f"py_nomainwindow_qSlicer{name}ModuleGenericTest" in listed


def test_file_that_is_not_listed_is_missed(sources: Path, tmp_path: Path) -> None:
    listing = sources / "medsynth_core" / "CMakeLists.txt"
    call = "slicerMacroBuildScriptedModule("
    forgotten = "list(REMOVE_ITEM MODULE_PYTHON_SCRIPTS errors.py)\n"
    listing.write_text(listing.read_text().replace(call, forgotten + call))
    check(configure(sources, tmp_path / "build"))
    assert expected_package(sources) - files_below(pack(tmp_path / "build")) == {"medsynth_core/errors.py"}


def test_new_file_is_packed_without_configuring_again(sources: Path, tmp_path: Path) -> None:
    check(configure(sources, tmp_path / "build"))
    for new in ("medsynth_core/io/new.py", "medsynth_core/io/new.json", "MedSynth/MedSynthLib/new.py"):
        (sources / new).write_text("{}\n")
    (sources / "Resources" / "SampleCase" / "new.csv").write_text("case\n")
    packed = files_below(pack(tmp_path / "build"))
    assert packed == expected_package(sources)
    assert "medsynth_core/bundled/SampleCase/new.csv" in packed


def test_listed_file_that_does_not_exist_stops_cmake(sources: Path, tmp_path: Path) -> None:
    listing = sources / "MedSynth" / "CMakeLists.txt"
    listing.write_text(listing.read_text().replace("SCRIPTS ${MODULE_NAME}.py", "SCRIPTS ${MODULE_NAME}.py gone.py"))
    done = configure(sources, tmp_path / "build")
    assert done.returncode != 0
    assert "gone.py" in done.stderr


def test_modules_resources_are_named_after_it() -> None:
    """All modules of an extension share one folder Resources: equal names of two modules would collide."""
    shared = [file for name in MODULE_NAMES for file in files_below(ROOT / name / "Resources")]
    assert sorted(set(shared)) == sorted(shared)
    assert shared
    assert [file for file in shared if not Path(file).name.startswith("MedSynth")] == []
