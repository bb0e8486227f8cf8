"""Run the tests of the Slicer modules over Slicer's own Python files: ``own_sources.py CHECKOUT v5.10.0 v5.12.3 main``.

CHECKOUT is a clone of Slicer's repository, with or without a work tree; the others are its tags or branches. The files
of `application.sources` (``slicer.util``, ``ScriptedLoadableModule``, ``parameterNodeWrapper``, ``i18n``,
``SampleData``) are taken from there into a temporary folder; PySide and slicer-core stand in for Slicer's C++ as in all
tests. What follows ``--`` is passed on to pytest.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent
PATHS = ("Base/Python/slicer", "Modules/Scripted/SampleData", "CMakeLists.txt")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("revisions", nargs="+")
    own = sys.argv[1:]
    end = own.index("--") if "--" in own else len(own)
    arguments = parser.parse_args(own[:end])
    failed = [revision for revision in arguments.revisions if run(arguments.checkout, revision, own[end + 1 :])]
    print(f"Failed: {', '.join(failed)}" if failed else f"Passed: {', '.join(arguments.revisions)}")
    return bool(failed)


def run(checkout: Path, revision: str, arguments: list[str]) -> int:
    """Run the tests over the files of a revision; return pytest's exit status."""
    with tempfile.TemporaryDirectory() as folder:
        extract(checkout, revision, Path(folder))
        version = versionOf(Path(folder))
        print(f"== {revision}, Slicer {version}", flush=True)
        environment = {**os.environ, "MEDSYNTH_TEST_SOURCES": folder, "MEDSYNTH_TEST_SLICER": version}
        command = [sys.executable, "-m", "pytest", str(TESTS), *arguments]
        return subprocess.run(command, env=environment, cwd=TESTS.parents[1]).returncode


def extract(checkout: Path, revision: str, folder: Path) -> None:
    """Write the files of a revision to a folder."""
    command = ["git", "-C", str(checkout), "archive", "--format=tar", revision, *PATHS]
    archive = subprocess.run(command, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")


def versionOf(folder: Path) -> str:
    """Return the version, such as ``5.12``, that Slicer's build file states."""
    words = (folder / "CMakeLists.txt").read_text().split()
    major, minor = (words[words.index(f"set(Slicer_VERSION_{part}") + 1].strip('")') for part in ("MAJOR", "MINOR"))
    return f"{major}.{minor}"


if __name__ == "__main__":
    sys.exit(main())
