"""Whatever stdout is connected to, a command ends in a status and at most one sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="needs the devices of Unix")]
FULL = Path("/dev/full")


def command(*words, **streams):
    return subprocess.run(
        [sys.executable, "-m", "medsynth_core", *words], stderr=subprocess.PIPE, text=True, check=False, **streams
    )


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", [("--version",), ("models", "list"), ("models", "list", "--json"), ("suv", "--help")])
def test_a_full_disk_behind_stdout(words):
    with FULL.open("w") as full:
        found = command(*words, stdout=full)
    assert found.returncode == 2
    assert re.fullmatch(
        "The disk is full.*\n|The output .* cannot be written: No space left on device.\n", found.stderr
    )


@pytest.mark.parametrize("words", [("--version",), ("models", "list"), ("models", "list", "--json")])
def test_a_reader_that_has_gone(words):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        found = command(*words, stdout=pipe)
    assert (found.returncode, found.stderr) == (1, "")


@pytest.mark.parametrize("words", ["--version", "models list", "models list --json", "models show ct-to-pet"])
def test_a_stdout_that_is_closed(words):
    found = subprocess.run(
        ["sh", "-c", f"exec '{sys.executable}' -m medsynth_core {words} >&-"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")


def test_streams_that_are_all_closed():
    found = subprocess.run(
        ["sh", "-c", f"exec '{sys.executable}' -m medsynth_core suv nothing out.nii.gz <&- >&- 2>&-"], check=False
    )
    assert found.returncode == 2


def test_a_name_that_is_not_unicode(tmp_path):
    image = os.fsencode(tmp_path) + b"/p\xe9.nii.gz"
    found = subprocess.run(
        [sys.executable, "-m", "medsynth_core", "evaluate", image, image], capture_output=True, text=True, check=False
    )
    assert found.returncode == 2
    assert r"p\udce9.nii.gz" in found.stderr and "Traceback" not in found.stderr


def test_a_terminal_that_knows_ascii_only():
    found = command(
        "models", "show", "ct-to-pet", stdout=subprocess.PIPE, env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert r"2 \xd7 2" in found.stdout
