"""What a multi-modal generator keeps of its training data: whole lesions in the organ, small pictures, ranges."""

from __future__ import annotations

import numpy as np
from multimodal_builders import recipe

from medsynth_core.models.records import LESIONS, PATIENTS, SMALL_PICTURES
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.structure.quality import map_measures, ranges_of
from medsynth_core.systems import multimodal_records
from medsynth_core.systems.multimodal_records import records_of

SETTINGS = recipe()


def case(name: str, rows: int, columns: int, lesions: list[tuple[slice, slice]], role: str = "ct") -> TrainingCase:
    """Return a case with images of one modality; its organ leaves one pixel free all around."""
    shape = (len(lesions), rows, columns)
    organ, label, lines = (np.zeros(shape, np.float32) for _ in range(3))
    organ[:, 1:-1, 1:-1] = 1
    lines[:, rows // 2, 2:-2] = 1
    for number, place in enumerate(lesions):
        label[(number, *place)] = 1
    image = np.linspace(0, 1, rows * columns, dtype=np.float32).reshape(1, rows, columns).repeat(len(lesions), axis=0)
    there = {role: image, f"{role}:structure": lines, f"{role}:organ": organ, f"{role}:lesion": label}
    none = np.zeros((0, rows, columns), np.float32)
    other = {"ct": "pet", "pet": "ct"}[role]
    absent = {f"{other}{part}": none for part in ("", ":structure", ":organ", ":lesion")}
    return TrainingCase(name, {}, organ > 0, {**there, **absent})


SMALL = case("small", 20, 24, [np.s_[1:4, 1:3], np.s_[0:3, 5:8], np.s_[9:12, 9:12]])
LARGE = case("large", 40, 40, [np.s_[2:9, 10:20], np.s_[10:15, 20:30]], "pet")


def test_lesions_are_kept_that_lie_whole_in_frame_and_organ():
    kept = records_of(SETTINGS, [SMALL, LARGE], "ab").arrays[LESIONS]
    assert kept.dtype == np.uint8
    wanted = np.zeros((3, 32, 32), np.uint8)
    wanted[0, 7:10, 5:7] = wanted[1, 15:18, 13:16] = wanted[2, 6:11, 16:26] = 1  # not those at a border
    np.testing.assert_array_equal(kept, wanted)
    none = records_of(SETTINGS, [], "").arrays[LESIONS]
    assert none.shape == (0, 32, 32) and none.dtype == np.uint8


def test_of_many_lesions_some_are_kept_evenly(monkeypatch):
    monkeypatch.setattr(multimodal_records, "MOST_LESIONS", 3)
    many = case("many", 32, 32, [np.s_[10:12, left : left + 2] for left in range(4, 9)])
    kept = records_of(SETTINGS, [many], "a").arrays[LESIONS]
    assert [int(np.argwhere(label)[0, 1]) for label in kept] == [4, 6, 8]


def test_pictures_are_those_of_slices_with_lines():
    blank = {**SMALL.targets, "ct:structure": SMALL.targets["ct:structure"] * np.array([1, 0, 1])[:, None, None]}
    found = records_of(SETTINGS, [TrainingCase("blank", {}, SMALL.body, blank), SMALL, LARGE], "abc").arrays
    assert found[f"{SMALL_PICTURES}ct"].shape == (5, 16, 16) and found[f"{SMALL_PICTURES}pet"].shape == (2, 16, 16)
    # The same numbers in all modalities.
    assert found[f"{PATIENTS}ct"].tolist() == [0, 0, 1, 1, 1] and found[f"{PATIENTS}pet"].tolist() == [2, 2]
    # The empty frame is what the output's range begins with, not a grey.
    assert found[f"{SMALL_PICTURES}ct"][0, 0, 0] == 0
    keys = records_of(SETTINGS.model_copy(update={"keep_pictures": False}), [SMALL], "a").arrays.keys()
    assert keys == {LESIONS}


def test_ranges_are_those_of_maps_in_their_frames():
    lines, organ = np.zeros((2, 32, 32), bool)
    lines[16, 6:26] = organ[7:25, 5:27] = True
    assert records_of(SETTINGS, [SMALL], "a").ranges == ranges_of([map_measures(lines, organ)] * 3)
    assert records_of(SETTINGS, [], "").ranges == {}
