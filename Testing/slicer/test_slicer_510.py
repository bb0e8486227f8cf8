"""Tests of what differs in Slicer 5.10, run with its behaviour: no `slicer.packaging`, a `disconnectGui` that leaks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import application
import pytest

FILES = ("test_application.py", "test_panel.py", "test_nothing_is_left.py", "test_setup_section.py")


@pytest.mark.slow
@pytest.mark.skipif(application.VERSION == "5.10", reason="all tests run with the behaviour of Slicer 5.10")
@pytest.mark.skipif("MEDSYNTH_TEST_SOURCES" in os.environ, reason="all tests run over the files of another Slicer")
def test_PanelsWorkInSlicer510():
    folder = Path(__file__).parent
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", "-m", "not slow"]
    run = subprocess.run(
        [*command, *(str(folder / file) for file in FILES)],
        capture_output=True,
        text=True,
        cwd=application.ROOT,
        env={**os.environ, "MEDSYNTH_TEST_SLICER": "5.10"},
    )
    assert run.returncode == 0, run.stdout
