"""``medsynth batch``: exit status, JSON, and processes that are killed."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from batch_helpers import content, names, truncate, write_studies

from medsynth_core import batch, read_volume
from medsynth_core.cli.app import run as run_command
from medsynth_core.errors import ExitStatus


def count_studies(folder: Path) -> int:
    """Return how many studies have a folder, while a process writes."""
    return len([path for path in folder.glob("[!.]*") if path.is_dir()])


def command(*given: object) -> list[str]:
    return ["medsynth", "batch", *map(str, given), "--model", "ct-to-pet", "--device", "cpu"]


def test_the_exit_status_tells_that_a_study_failed(tmp_path, monkeypatch, capsys):
    studies = write_studies(tmp_path / "in", "P1 P2")
    truncate(studies / "P2.nii.gz")
    monkeypatch.setattr(sys, "argv", [*command(studies, tmp_path / "out"), "--json"])
    assert run_command() == ExitStatus.INCOMPLETE == 3
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert (found["made"], found["there"], list(found["failed"])) == (["P1"], [], ["P2"])
    assert printed.err.strip() == f"1 study failed; {tmp_path / 'out' / 'failures.csv'} says why."
    monkeypatch.setattr(sys, "argv", command(studies, tmp_path / "out"))
    write_studies(studies, "P1 P2")
    assert run_command() == ExitStatus.SUCCESS
    assert "1 made, 1 already there. Not for diagnosis." in capsys.readouterr().out


def test_the_name_of_a_study_cannot_control_the_terminal(tmp_path, monkeypatch, capsys):
    studies = write_studies(tmp_path / "in", "P1")
    (studies / "P1.nii.gz").rename(studies / "a\x1b[31mb.nii.gz")
    monkeypatch.setattr(sys, "argv", command(studies, tmp_path / "out"))
    assert run_command() == ExitStatus.SUCCESS
    printed = capsys.readouterr()
    assert "\x1b" not in printed.err + printed.out
    assert not any("\x1b" in path.name for path in (tmp_path / "out").rglob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_batch_leaves_whole_studies_and_goes_on(tmp_path, number):
    studies, out = write_studies(tmp_path / "in", " ".join(f"P{n}" for n in range(4))), tmp_path / "out"
    whole = tmp_path / "whole"
    assert batch(studies, whole, "ct-to-pet", device="cpu").failed == {}
    killed = 0
    for moment in range(6):
        process = subprocess.Popen(
            [sys.executable, "-m", "medsynth_core", *command(studies, out)[1:]], stderr=subprocess.PIPE, text=True
        )
        before = count_studies(out)
        # From the first new result on, at any moment of those that follow.
        while process.poll() is None and count_studies(out) == before:
            time.sleep(0.01)
        time.sleep(random.Random(moment).uniform(0, 0.2))
        process.send_signal(number)
        _, printed = process.communicate()
        assert "Traceback" not in printed
        for path in out.iterdir():
            if path.is_dir() and not path.name.startswith("."):
                assert sorted(each.name for each in path.iterdir()) == [
                    f"{path.name}_pet.json",
                    f"{path.name}_pet.nii.gz",
                ]
        if number != signal.SIGKILL:
            assert not [path for path in out.glob(".*") if path.is_dir()]
        if process.returncode == 0:
            break
        killed += 1
    assert killed >= 1 and process.returncode == 0
    assert not list(out.glob(".*")) and len(names(out)) == 8
    for name in names(out):
        if name.endswith(".nii.gz"):
            assert np.array_equal(read_volume(out / name).voxels, read_volume(whole / name).voxels)


def test_a_manifest_is_read_from_its_own_folder(tmp_path, monkeypatch, capsys):
    write_studies(tmp_path / "data" / "in", "P1")
    (tmp_path / "data" / "cases.csv").write_text("case,ct\nA,in/P1.nii.gz\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", command(Path("data/cases.csv"), Path("out")))
    assert run_command() == ExitStatus.SUCCESS
    capsys.readouterr()
    assert set(names(tmp_path / "out")) == {"A/A_pet.json", "A/A_pet.nii.gz"}
    first = content(tmp_path / "out")["A/A_pet.nii.gz"]
    assert run_command() == ExitStatus.SUCCESS and content(tmp_path / "out")["A/A_pet.nii.gz"] == first
