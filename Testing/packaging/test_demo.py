"""``make demo``: its commands write what its summary reads."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from medsynth_core import Volume, evaluate

ROOT = Path(__file__).resolve().parents[2]


def test_the_commands_write_every_file_of_the_summary():
    ready = ".venv/.ready-demo"
    done = subprocess.run(
        ["make", "-n", "-o", ready, "demo", "DEMO=out"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    sys.path.insert(0, str(ROOT / "Testing"))
    try:
        import demo
    finally:
        sys.path.pop(0)
    named = [name for names in (*demo.ROWS, *demo.FILES) for name in names.split(", ") if "*" not in name]
    assert len(named) >= 7
    assert [name for name in named if f"out/{name}" not in done.stdout] == []


def test_the_summary_shows_the_scores_in_the_files(tmp_path):
    reference = np.full((8, 32, 32), 2.0, np.float32)
    lesion = Volume((np.indices(reference.shape)[0] > 3).astype(np.uint8), np.eye(4))
    full = Volume(reference, np.eye(4), "PT", "SUVbw")
    for name, factor in (("low-dose", 1.5), ("recovered", 1.1), ("ct-to-pet", 0.5)):
        report = evaluate(full.replace(voxels=reference * np.float32(factor)), full, lesion=lesion)
        (tmp_path / f"metrics-{name}.json").write_text(json.dumps(report.to_dict()))
    done = subprocess.run(
        [sys.executable, ROOT / "Testing" / "demo.py", tmp_path], capture_output=True, text=True, check=True
    )
    lines = [line for line in done.stdout.splitlines() if " dB" in line]
    found = [[float(number) for number in re.findall(r"[-+]?\d+\.\d+", line)] for line in lines]
    assert [row[0] for row in found] == pytest.approx([1.0, 0.2, 1.0], abs=1e-3)
    assert [row[2:] for row in found] == [[50.0, 50.0], [10.0, 10.0], [-50.0, -50.0]]
    assert "recovered by low-dose-pet" in lines[1]
