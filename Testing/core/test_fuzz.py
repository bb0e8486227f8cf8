"""The command `Testing/fuzz` finds what it is for, and a slice of 30 seconds finds nothing in MedSynth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each input is tried in a copy of the process")


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "Testing" / "fuzz")])}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_slice_of_all_kinds_finds_nothing():
    done = python(str(ROOT / "Testing" / "fuzz"), "--seed", "20000", "--seconds", "30", "--json")
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert not told["findings"], "\n\n".join(f"{each['kind']} {each['seed']}: {each}" for each in told["findings"])
    assert done.returncode == 0
    assert all(sum(outcomes.values()) >= 2 for outcomes in told["inputs"].values())


JOBS = {
    "pass": "None",
    "os.kill(os.getpid(), 11)": "('signal', 'SIGSEGV')",
    "time.sleep(60)": "('timeout', 'more than 0.5 s')",
    "bytearray(os.urandom(1)) * 900_000_000": "'memory'",
}


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS)
def test_the_limits_of_a_process_are_noticed(job):
    limits = f"seconds={0.5 if 'sleep' in job else 60}, most=700_000_000"
    code = f"import os, time, fuzz_run\ndef job():\n    {job}\nprint(fuzz_run.limited(job, {limits}))"
    done = python("-c", code)
    assert JOBS[job] in done.stdout, done.stdout + done.stderr


CHECKS = {
    "raise ValueError('oh')": ("traceback", "ValueError: oh"),
    "raise MedSynthError('two\\nlines')": ("sentence", "two"),
    "raise MedSynthError('no end')": ("sentence", "no end"),
    "image = real(path); return image[0] + 1, image[1]": ("image", "voxels differ"),
    "image = real(path); return image[0][::-1], image[1]": ("image", "voxels differ"),
    "image = real(path); return image[0], image[1] + np.eye(4, k=3) * 5": ("image", "puts a corner 5 mm away"),
}


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_a_reader_that_fails_or_reads_something_else_is_noticed(check):
    fault, detail = CHECKS[check]
    code = f"""
import fuzz_checks, fuzz_run
import numpy as np
from medsynth_core.errors import MedSynthError
real = fuzz_checks.read_image
def check(path):
    {check}
fuzz_checks.CHECKS["nifti"] = check
fuzz_run.preload(["nifti"])
found = [fuzz_run.judge("nifti", seed)[1] for seed in range(12)]
print([(each.fault, each.detail) for each in found if each and each.fault == {fault!r}][:1])
"""
    done = python("-c", code)
    assert fault in done.stdout and detail in done.stdout, done.stdout + done.stderr
