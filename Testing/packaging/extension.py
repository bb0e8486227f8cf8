"""Builds and packs the Slicer extension with the stand-in for Slicer in the folder slicer."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SLICER = Path(__file__).with_name("slicer")
MODULES = Path("lib/Slicer-5.13/qt-scripted-modules")
MODULE_NAMES = ("MedSynth", "MedSynthTrain")
SOURCES = {
    "CMakeLists.txt",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "setup.py",
    *MODULE_NAMES,
    "medsynth_core",
    "Resources",
}
BUNDLED = ("Comparisons", "Export", "FeatureExtractor", "Models", "Recipes", "SampleCase")
# Scripted modules need no compiler, so CMake is told not to look for one.
NO_COMPILER = [
    f"-DCMAKE_{language}_COMPILER{option}"
    for language in ("C", "CXX")
    for option in (f":FILEPATH={sys.executable}", "_FORCED=ON", "_ID_RUN=ON")
]


def tool(name: str) -> str:
    """Return the path of a command of this Python environment."""
    found = shutil.which(name, path=sysconfig.get_path("scripts"))
    assert found, f"{name} is not installed beside {sys.executable}"
    return found


def run(
    *command: str | Path, folder: Path = ROOT, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever its exit status."""
    parts = [str(part) for part in command]
    return subprocess.run(parts, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def check(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a command printed, which must have succeeded."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def configure(source: Path, build: Path) -> subprocess.CompletedProcess[str]:
    """Run CMake on the extension in ``source``."""
    options = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}", f"-DSlicer_DIR={SLICER}", *NO_COMPILER]
    return run(tool("cmake"), "-S", source, "-B", build, *options)


def pack(build: Path) -> Path:
    """Build and pack a configured extension, and return the folder of its modules in the unpacked package."""
    check(run(tool("cmake"), "--build", build))
    check(run(tool("cpack"), folder=build))
    (archive,) = build.glob("*.tar.gz")
    unpacked = build / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    with tarfile.open(archive) as package:
        package.extractall(unpacked, filter="data")
    return unpacked / MODULES


def copy_sources(destination: Path) -> Path:
    """Copy what the extension and the wheel are made from."""

    def others(folder: str, names: list[str]) -> set[str]:
        return set(names) - SOURCES if Path(folder) == ROOT else {"__pycache__"}

    return shutil.copytree(ROOT, destination, ignore=others)


def files_below(folder: Path) -> set[str]:
    """Return the relative paths of the files below ``folder``, what Python compiled aside."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if "__pycache__" not in path.parts}


def expected_package(source: Path) -> set[str]:
    """Return what the package of the extension in ``source`` must hold, relative to the folder of its modules."""
    core = {f"medsynth_core/{file}" for file in files_below(source / "medsynth_core") if file != "CMakeLists.txt"}
    bundled = {f"medsynth_core/bundled/{file}" for file in bundled_files(source)}
    return core.union(bundled, *(_module_files(source, name) for name in MODULE_NAMES))


def _module_files(source: Path, name: str) -> set[str]:
    """Return what the package must hold of a scripted module."""
    inside = {file for file in files_below(source / name) if file.startswith((f"{name}Lib/", "Resources/"))}
    return inside | {f"{name}.py"}


def bundled_files(source: Path) -> set[str]:
    """Return the models, recipes and images of the project, relative to its folder Resources."""
    return {file for file in files_below(source / "Resources") if file.split("/")[0] in BUNDLED}
