"""Records of a training name the computer and the source that it ran on."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from builders import tiny_recipe, write_manifest

from medsynth_core.compute import hardware
from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.training.run_folder import RunFolder
from medsynth_core.version import source_commit

ROOT = Path(__file__).parents[3]
INTEL = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 85\nmodel name\t: Intel(R) Xeon(R)  Platinum 8175M\n"


def test_the_processor_has_the_name_that_its_maker_gives_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(hardware, "CPU_FILE", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text(INTEL)
    assert hardware.processor_name() == "Intel(R) Xeon(R) Platinum 8175M"
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nBogoMIPS\t: 108.00\n")
    assert hardware.processor_name() == platform.machine()
    (tmp_path / "cpuinfo").unlink()
    assert hardware.processor_name() == platform.machine()


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_that_of_the_checkout_and_never_of_another_project(tmp_path):
    package = tmp_path / "medsynth_core"
    package.mkdir()
    (package / "version.py").write_text("")
    assert source_commit(package) == ""
    git(tmp_path, "init")
    (tmp_path / "other.txt").write_text("1")
    git(tmp_path, "add", "other.txt")
    git(tmp_path, "commit", "-m", "Another project, with MedSynth installed in its folder")
    assert source_commit(package) == ""
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "MedSynth")
    git(tmp_path, "tag", "v1")
    assert source_commit(package) == git(tmp_path, "rev-parse", "HEAD")
    (package / "version.py").write_text("changed")
    assert source_commit(package) == git(tmp_path, "rev-parse", "HEAD") + "-dirty"


def test_a_run_records_processor_memory_and_commit(tmp_path):
    recipe = tiny_recipe()
    cases = read_manifest(write_manifest(tmp_path), recipe.needs.names)
    (tmp_path / "run").mkdir()
    RunFolder(tmp_path / "run").start(recipe, cases, torch.device("cpu"), "bfloat16")
    written = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert written["processor"] == hardware.processor_name() and written["machine"] == platform.machine()
    assert written["memory_gb"] == pytest.approx(psutil.virtual_memory().total / 2**30, abs=0.1)
    assert written["commit"] == source_commit() and written["precision"] == "bfloat16"
