"""Signals stop MedSynth without leaving anything behind, and wait while a step must not be torn apart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from builders import phantom_ct

from medsynth_core.interruption import Terminated, as_request, check_terminated, held_back, raise_on_termination
from medsynth_core.io.atomic import atomic_write, whole_folder
from medsynth_core.io.temporary import temporary_folder
from medsynth_core.io.writing import write_labelled

STOPS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


pytestmark = pytest.mark.usefixtures("as_the_command_does")


def raised_by(number):
    return KeyboardInterrupt if number == signal.SIGINT else Terminated


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_terminating_signal_ends_with_the_status_of_shells(number, status):
    with pytest.raises(Terminated) as found:
        signal.raise_signal(number)
    assert found.value.code == status
    assert not isinstance(found.value, Exception), "an except clause for errors would hide it"
    with pytest.raises(Terminated):
        check_terminated()


def test_an_ignored_signal_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    raise_on_termination()
    with held_back(), as_request() as request:
        signal.raise_signal(signal.SIGHUP)
    assert not request and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_during_an_import_acts_after_it(number, tmp_path, monkeypatch):
    # As PyTorch does: native code that runs Python while it is imported, where an exception ends the process.
    (tmp_path / "imported_slowly.py").write_text(
        f"import signal\nsignal.raise_signal({int(number)})\nwhole = True\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(raised_by(number)):  # noqa: PT012 - the order is what is tested
        import imported_slowly

        assert imported_slowly.whole
        time.sleep(5)
        pytest.fail("the signal was lost")
    assert sys.modules.pop("imported_slowly").whole


@pytest.mark.parametrize("number", STOPS)
def test_a_held_signal_acts_at_the_end_of_the_block(number):
    steps = []
    with pytest.raises(raised_by(number)):  # noqa: PT012 - the order is what is tested
        with held_back():
            signal.raise_signal(number)
            steps.append("whole")
        steps.append("never")
    assert steps == ["whole"]


def test_a_held_signal_acts_after_a_failure_of_the_block_too():
    with pytest.raises(Terminated), held_back():  # noqa: PT012
        signal.raise_signal(signal.SIGTERM)
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", STOPS)
def test_the_first_signal_is_a_request_and_the_second_an_order(number):
    with pytest.raises(raised_by(number)), as_request() as request:  # noqa: PT012
        assert not request
        signal.raise_signal(number)
        assert request and request.signal == number
        signal.raise_signal(number)
        pytest.fail("the second signal did nothing")
    with pytest.raises(raised_by(number)):
        request.carry_out()


def test_the_folder_for_temporary_files_is_known_after_the_import():
    """Python writes a file to find it, which a signal at that moment would leave."""
    code = "import tempfile, medsynth_core.io.temporary; print(tempfile.tempdir is not None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_another_thread_is_left_alone():
    found, before = [], signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=lambda: found.append(as_request().__enter__().signal))
    thread.start()
    thread.join()
    assert found == [0] and signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("number", STOPS)
def test_an_image_and_its_json_are_put_into_place_together(number, tmp_path, monkeypatch):
    """An image without its JSON, or with that of an earlier image, would be taken in another unit."""
    really, places = os.replace, []

    def interrupted(source, target):
        really(source, target)
        places.append(Path(target).name)
        if len(places) == 1:
            signal.raise_signal(number)

    monkeypatch.setattr("medsynth_core.io.atomic.os.replace", interrupted)
    with pytest.raises(raised_by(number)):
        write_labelled(phantom_ct().replace(metadata={"medsynth_version": "0"}), tmp_path / "ct.nii.gz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct.json", "ct.nii.gz"] == sorted(places)


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_while_writing_leaves_nothing(number, tmp_path):
    with pytest.raises(raised_by(number)), atomic_write(tmp_path / "a.txt") as temporary:  # noqa: PT012
        temporary.write_text("half")
        signal.raise_signal(number)
    with pytest.raises(raised_by(number)), whole_folder(tmp_path / "series") as folder:  # noqa: PT012
        (folder / "0001.dcm").write_text("half")
        signal.raise_signal(number)
    with pytest.raises(raised_by(number)), temporary_folder(tmp_path) as folder:  # noqa: PT012
        (folder / "input.npy").write_text("half")
        signal.raise_signal(number)
    assert list(tmp_path.iterdir()) == []


REMOVAL = """
import pathlib, shutil, signal, sys
from medsynth_core import interruption
from medsynth_core.io import temporary
interruption.raise_on_termination()
really = shutil.rmtree
def torn(path, **options):
    shutil.rmtree = really
    signal.raise_signal(signal.{number})
shutil.rmtree = torn
with temporary.temporary_folder(pathlib.Path(sys.argv[1])) as folder:
    (folder / "input.npy").write_text("a patient's voxels")
"""


@pytest.mark.parametrize(("number", "status"), [("SIGINT", -signal.SIGINT), ("SIGTERM", 143)])
def test_a_signal_while_a_temporary_folder_is_removed_leaves_nothing(number, status, tmp_path):
    """``tempfile.TemporaryDirectory`` leaves its folder then."""
    found = subprocess.run([sys.executable, "-c", REMOVAL.format(number=number), str(tmp_path)], capture_output=True)
    assert found.returncode == status
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_is_run_by_an_import_is_stopped_as_well(tmp_path):
    (tmp_path / "my_job.py").write_text(
        "import signal, time\nfrom medsynth_core.interruption import raise_on_termination\nraise_on_termination()\n"
        "signal.raise_signal(signal.SIGTERM)\ntime.sleep(20)\n"
    )
    done = subprocess.run([sys.executable, "-c", "import my_job"], cwd=tmp_path, timeout=60)
    assert done.returncode == 143


AT_EXIT = """
import atexit, signal
from medsynth_core.interruption import raise_on_termination
raise_on_termination()
atexit.register(lambda: print("tidy"))
atexit.register(signal.raise_signal, {number})
print("done")
"""


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_after_the_end_of_a_command_changes_nothing(number):
    # As PyTorch tidies up at Python's exit, which takes a moment.
    found = subprocess.run([sys.executable, "-c", AT_EXIT.format(number=int(number))], capture_output=True, text=True)
    assert (found.returncode, found.stdout.split(), found.stderr) == (0, ["done", "tidy"], "")
