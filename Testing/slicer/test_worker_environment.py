"""What a worker process is given: the environment of Slicer's start, and what has been set for MedSynth since."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import slicer
from MedSynthLib import coreFolder
from MedSynthLib.job import WorkerJob
from MedSynthLib.process import WorkerProcess, workerEnvironment

LIBRARY = "import json; from medsynth_core.models.library import user_folder; print(json.dumps(str(user_folder())))"


def test_WhatIsSetForMedSynthAfterTheStartReachesTheWorker(tmp_path, monkeypatch):
    assert "MEDSYNTH_MODELS" not in slicer.util.startupEnvironment()
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("SOMETHING_OF_SLICER", "1")
    environment = workerEnvironment(coreFolder())
    assert environment["MEDSYNTH_MODELS"] == str(tmp_path) and environment["CUDA_VISIBLE_DEVICES"] == "1"
    assert "SOMETHING_OF_SLICER" not in environment
    output = subprocess.run([sys.executable, "-c", LIBRARY], capture_output=True, text=True, env=environment)
    assert Path(json.loads(output.stdout)) == tmp_path


def test_WhatIsUnsetAfterTheStartDoesNotReachTheWorker(monkeypatch):
    name = "OMP_NUM_THREADS"
    before = slicer.util.startupEnvironment().get(name)
    if before is None:
        pytest.skip(f"{name} was not set when the tests were started")
    monkeypatch.delenv(name)
    assert name not in workerEnvironment(coreFolder())
    monkeypatch.setenv(name, "3")
    assert workerEnvironment(coreFolder())[name] == "3"


def test_ThePathOfTheLibraryComesFirst():
    environment = workerEnvironment(coreFolder())
    assert environment["PYTHONPATH"].split(os.pathsep)[0] == str(coreFolder())


@pytest.mark.slow
def test_WhatLiesInTheCurrentFolderIsNotImported(tmp_path, monkeypatch):
    """A data folder may hold a random.py, or another medsynth_core: the worker must not run it."""
    for name in ("random.py", "json.py", "medsynth_core/__init__.py", "torch.py"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"open({str(tmp_path / 'evil')!r}, 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    done = []
    job = WorkerJob({"job": "describe"}, lambda result, error: done.append((result, error)))
    job.wait()
    ((result, error),) = done
    assert error is None and result["versions"]["medsynth_core"]
    assert not (tmp_path / "evil").exists()


def test_TheCurrentFolderOfAProcessIsThatOfTheLibrary(tmp_path, monkeypatch):
    """Python 3.10 does not know PYTHONSAFEPATH."""
    monkeypatch.chdir(tmp_path)
    worker = WorkerProcess(coreFolder())
    try:
        if Path("/proc").is_dir():
            assert Path(os.readlink(f"/proc/{worker.pid}/cwd")) == coreFolder()
        assert workerEnvironment(coreFolder())["PYTHONSAFEPATH"] == "1"
    finally:
        worker.waitUntilGone()
