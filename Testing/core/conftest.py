"""Fixtures of the core tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from golden import case, golden_ct, golden_slice  # noqa: F401 - fixtures of several folders

from medsynth_core.interruption import raise_on_termination

# Networks of the tests are tiny: threads of torch would only wait for each other, here and in processes started here.
# Before the first import of torch, which reads it once. Not in a file that all tests share: its folder would be
# importable, and Slicer's package of the wheel would take the folder slicer there for a part of itself.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Compiling a tiny network for OpenVINO takes longer than running it; the tests of OpenVINO choose it themselves.
os.environ.setdefault("MEDSYNTH_BACKEND", "torch")
# A shell starts what it runs in the background with Ctrl-C ignored, also in the processes that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of the real development data, which users do not have."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the development data (../shared/data) is not on this machine")
    return folder


@pytest.fixture(scope="session")
def sample_case() -> Path:
    """Return the folder of the sample case that the project ships."""
    return ROOT / "Resources" / "SampleCase"


@pytest.fixture
def as_the_command_does() -> Iterator[None]:
    """Handle signals as the command does, and as before, with none received, after the test."""
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = {number: signal.getsignal(number) for number in numbers}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored
    raise_on_termination()
    yield
    raise_on_termination()
    for number, handler in before.items():
        signal.signal(number, handler)
