"""The worker of a session: the next job pays for no start, and nothing depends on its being there."""

from __future__ import annotations

import os
import signal

import pytest
import qt
import slicer
from application import leaks
from MedSynthLib import coreFolder, kept_worker
from MedSynthLib.job import VolumeJob, WorkerJob
from MedSynthLib.job_runner import awaited
from scene_helpers import waitUntil

from medsynth_core.errors import Cancelled, MedSynthError

pytestmark = pytest.mark.slow

DESCRIBE = {"job": "describe"}


@pytest.fixture(autouse=True)
def noneKept():
    """Begin and end without a kept worker."""
    kept_worker.endKeptWorker()
    processes, descriptors = leaks.processes(), leaks.descriptors()
    yield
    kept_worker.endKeptWorker()
    assert waitUntil(lambda: (leaks.processes(), leaks.descriptors()) == (processes, descriptors))


def describe(**changes) -> int:
    """Let a worker describe what is installed, and return its process ID."""
    jobs = []

    def start(onFinished):
        jobs.append(WorkerJob({**DESCRIBE, **changes}, onFinished))
        return jobs[0]

    assert awaited(start)["devices"]
    return jobs[0].workerPid


def test_TheNextJobHasTheSameWorker():
    first = describe()
    assert kept_worker.keptWorker().pid == first == describe()
    assert len(leaks.processes()) == 0, "the kept one is not counted"
    kept_worker.endKeptWorker()
    assert describe() != first


def test_OneIsKeptWhenTwoHaveRun():
    finished = []
    jobs = [WorkerJob(DESCRIBE, lambda *both: finished.append(both)) for _ in range(2)]
    assert waitUntil(lambda: len(finished) == 2)
    for job in jobs:
        job.wait()
    assert kept_worker.keptWorker().pid in {job.workerPid for job in jobs}
    assert leaks.processes() == []


def test_AJobStartedAtTheEndOfAnotherHasItsWorker():
    pids = []

    def finish(done, error):
        pids.append(first.workerPid)
        second.append(WorkerJob(DESCRIBE, lambda *both: pids.append(second[0].workerPid)))

    second = []
    first = WorkerJob(DESCRIBE, finish)
    assert waitUntil(lambda: len(pids) == 2) and pids[0] == pids[1]


def test_AnotherEnvironmentGetsAnotherWorker(monkeypatch, tmp_path):
    first = describe()
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path))
    assert describe() != first and leaks.processes() == []


def test_AKeptWorkerThatWasKilledIsReplaced(monkeypatch):
    first = describe()
    os.killpg(first, signal.SIGKILL)
    assert waitUntil(lambda: not kept_worker.keptWorker().ready())
    second = describe()
    # It dies between the look at it and the request.
    os.killpg(second, signal.SIGKILL)
    kept_worker.keptWorker()._process.wait()
    monkeypatch.setattr(kept_worker.keptWorker(), "ready", lambda: True)
    assert describe() not in (first, second)


def test_AWorkerThatNeverAnswersIsStartedAgainOnce(monkeypatch, tmp_path):
    """A new worker that ends before it says anything is an error."""
    describe()
    os.killpg(kept_worker.keptWorker().pid, signal.SIGKILL)
    kept_worker.keptWorker()._process.wait()
    monkeypatch.setattr(kept_worker.keptWorker(), "ready", lambda: True)
    monkeypatch.setattr(kept_worker.keptWorker(), "command", ["wrong"])
    monkeypatch.setattr("MedSynthLib.kept_worker.workerCommand", lambda: ["wrong"])
    monkeypatch.setattr("MedSynthLib.process.COMMAND", ["-c", "raise SystemExit('no worker')"])
    with pytest.raises(MedSynthError, match="ended unexpectedly .no worker"):
        describe()


def test_IfNoNewWorkerCanBeStartedTheFilesOfTheJobAreRemoved(monkeypatch):
    describe()
    kept = kept_worker.keptWorker()
    os.killpg(kept.pid, signal.SIGKILL)
    kept._process.wait()
    monkeypatch.setattr(kept, "ready", lambda: True)

    def refuse(folder):
        raise OSError("no more processes")

    monkeypatch.setattr("MedSynthLib.job.newWorker", refuse)
    folders = []
    with pytest.raises(MedSynthError, match="ended unexpectedly"):
        awaited(lambda onFinished: VolumeJob(lambda folder: folders.append(folder) or DESCRIBE, onFinished))
    assert len(folders) == 1 and not folders[0].exists()


def test_AKeptWorkerThatDoesNotReactIsReplaced(monkeypatch):
    first = describe()
    os.killpg(first, signal.SIGSTOP)
    monkeypatch.setattr("MedSynthLib.job.KEPT_PATIENCE_S", 0.5)
    assert describe() != first and leaks.processes() == []


def test_AWorkerThatWorksWhenTheKeptOneIsEndedIsNotKept():
    """It may have loaded the packages that are about to be replaced."""
    finished = []
    job = WorkerJob(DESCRIBE, lambda *both: finished.append(both))
    kept_worker.endKeptWorker()
    job.wait()
    assert finished[0][1] is None and kept_worker.keptWorker() is None


WORDS = """
import os, signal, sys
import medsynth_core.worker as worker
worker.JOBS["warn"] = lambda *_: print("a warning in the first job", file=sys.stderr) or {"devices": [1]}
worker.JOBS["die"] = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
worker.main()
"""


def test_TheWordsOfAJobAreNotTheReasonWhyTheNextOneEnded(monkeypatch, caplog):
    monkeypatch.setattr("MedSynthLib.process.COMMAND", ["-c", WORDS])
    first = describe(job="warn")
    assert waitUntil(lambda: "warning" in "".join(filter(None, kept_worker.keptWorker()._lastWords)))
    assert kept_worker.keptWorker().pid == first
    with pytest.raises(MedSynthError, match="ended unexpectedly .no message"):
        describe(job="die")
    assert "a warning" not in caplog.text


def test_AJobThatHasEndedDoesNotEndTheNextOne():
    """The worker dies with the second job, while the first has not called back to its end."""
    finished, folders = [], []

    def finish(done, error):
        second.append(VolumeJob(lambda folder: folders.append(folder) or DESCRIBE, lambda *both: finished.append(both)))
        os.killpg(first.workerPid, signal.SIGKILL)
        ended = waitUntil(second[0]._worker._ended)
        first.poll()
        there.append(ended and folders[0].exists())

    second, there = [], []
    first = WorkerJob(DESCRIBE, finish)
    assert waitUntil(lambda: finished) and there == [True]
    second[0].wait()
    assert finished[0][1] is None and not folders[0].exists()


@pytest.mark.parametrize(("minutes", "kept"), [("0", False), ("1e-9", False), ("5", True), ("soon", True)])
def test_TheSettingSaysHowLong(minutes, kept):
    qt.QSettings().setValue(kept_worker.KEEP_MINUTES, minutes)
    try:
        describe()
        assert waitUntil(lambda: (kept_worker.keptWorker() is not None and kept_worker.keptWorker().ready()) == kept)
    finally:
        qt.QSettings().remove(kept_worker.KEEP_MINUTES)


@pytest.mark.parametrize(
    ("setting", "minutes"), [("nan", 10), ("soon", 10), ("-1", 0), ("inf", 1440), ("1e400", 1440), ("2.5", 2.5)]
)
def test_ASettingThatIsNoTimeIsNotUsed(setting, minutes):
    qt.QSettings().setValue(kept_worker.KEEP_MINUTES, setting)
    try:
        assert kept_worker.keepMinutes() == minutes
    finally:
        qt.QSettings().remove(kept_worker.KEEP_MINUTES)


def test_FilesThatCannotBeRemovedYetAreRemovedWithTheWorker(monkeypatch, tmp_path):
    folder = tmp_path / "exchanged"
    folder.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("MedSynthLib.process.shutil.rmtree", lambda *_, **__: None)  # as Windows with an open file
        WorkerJob(DESCRIBE, lambda *_: None, folder=folder).wait()
    assert folder.exists() and kept_worker.keptWorker() is not None
    kept_worker.endKeptWorker()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("job", "words", "kept"), [("fly", "no job 'fly'", True), ("broken", "MedSynth failed", False)]
)
def test_AfterAFailureTheWorkerIsNotTrusted(monkeypatch, job, words, kept):
    code = "import medsynth_core.worker as worker; worker.JOBS['broken'] = lambda *_: 1 / 0; worker.main()"
    monkeypatch.setattr("MedSynthLib.process.COMMAND", ["-c", code])
    with pytest.raises(MedSynthError, match=words):
        describe(job=job)
    assert (kept_worker.keptWorker() is not None) == kept
    assert waitUntil(lambda: leaks.processes() == [])


def test_ACancelOfAJobIsNoCancelOfTheNext():
    finished = []
    job = WorkerJob(DESCRIBE, lambda *both: finished.append(both))
    job.cancel()
    assert waitUntil(lambda: finished)
    job.wait()
    assert isinstance(finished[0][1], Cancelled) and describe() == job.workerPid


def test_TheFilesOfAJobAreGoneWhenItsWorkerIsKept():
    folders = []

    def request(folder):
        folders.append(folder)
        (folder / "input.npy").write_bytes(b"a patient's voxels")
        return DESCRIBE

    assert awaited(lambda onFinished: VolumeJob(request, onFinished))["devices"]
    assert kept_worker.keptWorker().ready() and not folders[0].exists()


def test_ASynthesisOnAKeptWorkerIsThatOfANewOne(someSlices):
    from MedSynth import MedSynthLogic

    logic, progress = MedSynthLogic(), []
    first = slicer.util.arrayFromVolume(logic.synthesize(someSlices)).copy()
    pid = logic.workerPid
    again = logic.synthesize(someSlices, onProgress=lambda fraction, message: progress.append(fraction))
    assert logic.workerPid == pid and progress[-1] == 1.0
    assert (slicer.util.arrayFromVolume(again) == first).all()


def test_AWorkerIsStartedInTheFolderOfTheCore():
    worker, used = kept_worker.takeWorker(coreFolder())
    assert not used and worker.ready() and not kept_worker._kept
    worker.waitUntilGone()
    assert not kept_worker.keepWorker(worker), "it has ended"
