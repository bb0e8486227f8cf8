"""Patients, not cases, are divided; the same way every time."""

import random
from collections import Counter

import pytest

from medsynth_core import MedSynthError
from medsynth_core.datasets.manifest import Case, shared_patients
from medsynth_core.datasets.splitting import split_cases


def cases_of(patients, each=1, split=""):
    return [Case(f"P{p}-{n}", split, {}, f"P{p}") for p in range(patients) for n in range(each)]


def counts(cases):
    return Counter(split for _, split in {(case.patient, case.split) for case in cases})


@pytest.mark.parametrize("patients", [3, 4, 7, 20, 41])
def test_every_split_has_a_patient_and_shares_are_met_to_one(patients):
    found = counts(split_cases(cases_of(patients)))
    assert sum(found.values()) == patients
    for split, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        assert found[split] >= 1 and abs(found[split] - share * patients) < 1.2


def test_all_cases_of_a_patient_are_in_one_split_and_keep_their_order():
    cases = cases_of(12, each=3)
    found = split_cases(cases)
    assert shared_patients(found) == {}
    assert [case.name for case in found] == [case.name for case in cases]


def test_the_seed_alone_decides_and_not_the_order_of_the_cases():
    cases = cases_of(30)
    mixed = random.Random(1).sample(cases, len(cases))
    first = {case.name: case.split for case in split_cases(cases, seed=5)}
    assert first == {case.name: case.split for case in split_cases(mixed, seed=5)}
    assert first != {case.name: case.split for case in split_cases(cases, seed=6)}


def test_a_share_of_zero_leaves_a_split_out():
    assert counts(split_cases(cases_of(10), (0.8, 0.2, 0.0))) == {"train": 8, "val": 2}


def test_splits_are_kept_and_new_cases_fill_what_lacks():
    old = split_cases(cases_of(10), (0.6, 0.2, 0.2))
    new = [*old, *(Case(f"new{n}", "", {}) for n in range(5)), Case("again", "", {}, "P0")]
    found = split_cases(new, (0.6, 0.2, 0.2), keep=True)
    assert found[:10] == old
    assert counts(found) == {"train": 9, "val": 3, "test": 3}
    assert found[-1].split == old[0].split


@pytest.mark.parametrize(
    ("cases", "shares", "keep", "words"),
    [
        (cases_of(2), (0.7, 0.15, 0.15), False, "2 patients cannot be divided among 3 splits"),
        (cases_of(9), (0.7, 0.7, 0.15), False, "sum is 1"),
        (cases_of(9), (1.2, -0.1, -0.1), False, "sum is 1"),
        (cases_of(9, split="train"), (0.7, 0.15, 0.15), True, "No patient is left for the split 'val'"),
        ([Case("A", "train", {}, "P"), Case("B", "val", {}, "P")], (0.5, 0.5, 0), True, "splits train and val"),
    ],
)
def test_what_cannot_be_divided_is_refused(cases, shares, keep, words):
    with pytest.raises(MedSynthError, match=words):
        split_cases(cases, shares, keep=keep)
