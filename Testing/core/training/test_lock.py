"""A run folder has one owner, and the lock of an owner that died is released."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from medsynth_core import MedSynthError
from medsynth_core.io.folder_lock import PATIENCE_S
from medsynth_core.training.lock import NAME, RunLock, is_held

HOLD = """
import sys, time
from pathlib import Path
from medsynth_core.training.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def owner(tmp_path):
    """Return another process that holds the folder until its input ends or it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_another_process_is_refused_after_some_patience(owner, tmp_path):
    begun = time.monotonic()
    with pytest.raises(MedSynthError, match="Another process is training in .*; wait for it, stop it") as caught:
        RunLock(tmp_path)
    assert caught.value.kind == "output" and time.monotonic() - begun >= PATIENCE_S
    owner.communicate()
    RunLock(tmp_path).release()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows ends processes otherwise")
def test_a_killed_process_leaves_no_lock(owner, tmp_path):
    assert is_held(tmp_path)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert (tmp_path / NAME).exists() and not is_held(tmp_path)
    RunLock(tmp_path).release()


def test_looking_takes_nothing_from_the_owner(owner, tmp_path):
    for _ in range(20):
        assert is_held(tmp_path)
    with pytest.raises(MedSynthError):
        RunLock(tmp_path)


def test_looking_does_not_keep_a_training_from_beginning(tmp_path):
    RunLock(tmp_path).release()
    done = threading.Event()

    def look():
        while not done.is_set():
            is_held(tmp_path)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(10):
            RunLock(tmp_path).release()
    finally:
        done.set()
        looking.join()


def test_looking_leaves_no_file(tmp_path):
    assert not is_held(tmp_path) and not is_held(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


def test_what_one_thread_took_another_can_release(tmp_path):
    lock = RunLock(tmp_path)
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    assert not is_held(tmp_path)


def test_a_folder_that_cannot_hold_a_lock_is_refused_as_such(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(MedSynthError, match="is not writable"):
        RunLock(tmp_path / "file")
