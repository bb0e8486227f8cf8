"""Thousands of mutated files: each is read as other libraries read it, voxels and matrix, or refused in a sentence.

`Testing/fuzz` makes them, and tries more of them, each in a process of its own.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from fuzz_checks import differences, read_image
from fuzz_inputs import make

from medsynth_core.errors import MedSynthError

CHUNK = 125


def outcome(kind: str, seed: int, folder: Path) -> str:
    """Return what became of an input; fail if another library reads it differently."""
    path = make(kind, seed, folder / str(seed))
    try:
        image = read_image(path)
    except MedSynthError as refusal:
        assert refusal.message.endswith(".") and "\n" not in refusal.message, f"{kind} {seed}: {refusal.message}"
        return "refused"
    found = list(differences(kind, path, image))
    assert not found, f"{kind} {seed}: {found}"
    return "read"


CHUNKS = [("nifti", number) for number in range(16)]
CHUNKS += [(kind, number) for kind, count in (("nrrd", 4), ("metaimage", 4), ("dicom", 2)) for number in range(count)]


@pytest.mark.parametrize(
    ("kind", "number"),
    [pytest.param(kind, number, marks=[pytest.mark.slow] if number else []) for kind, number in CHUNKS],
)
def test_mutated_files_are_read_as_other_libraries_read_them_or_refused(tmp_path, capfd, kind, number):
    seeds = range(10_000 + number * CHUNK, 10_000 + (number + 1) * CHUNK)
    outcomes = Counter(outcome(kind, seed, tmp_path) for seed in seeds)
    # The mutations are neither all harmless nor all fatal.
    assert min(outcomes["read"], outcomes["refused"]) > CHUNK / 25
