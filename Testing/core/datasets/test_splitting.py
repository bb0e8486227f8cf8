"""Patients, not cases, are split, reproducibly."""

import random
from collections import Counter
from pathlib import Path

import pytest

from medsynth_core import MedSynthError
from medsynth_core.datasets.manifest import Case, shared_patients, write_manifest
from medsynth_core.datasets.splitting import next_step, split_cases, split_for_training, split_manifest
from medsynth_core.systems.data_needs import DataNeeds, Role

ROLES = (Role("ct", "CT", "HU"), Role("pet", "PT", "SUVbw"))
PAIRED, UNPAIRED = DataNeeds(ROLES), DataNeeds(ROLES, paired=False)


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


def test_splits_depend_on_the_seed_and_not_on_the_order_of_cases():
    cases = cases_of(30)
    mixed = random.Random(1).sample(cases, len(cases))
    first = {case.name: case.split for case in split_cases(cases, seed=5)}
    assert first == {case.name: case.split for case in split_cases(mixed, seed=5)}
    assert first != {case.name: case.split for case in split_cases(cases, seed=6)}


def test_a_share_of_zero_omits_the_split():
    assert counts(split_cases(cases_of(10), (0.8, 0.2, 0.0))) == {"train": 8, "val": 2}


def test_splits_are_kept_and_new_cases_fill_the_rest():
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
def test_impossible_splits_are_refused(cases, shares, keep, words):
    with pytest.raises(MedSynthError, match=words):
        split_cases(cases, shares, keep=keep)


def case(name, split, *roles):
    return Case(name, split, {role: Path(f"{name}-{role}.nii.gz") for role in roles})


def test_cases_that_are_no_pairs_train():
    cases = [case("A", "", "ct"), case("B", "", "ct", "pet"), case("C", "", "ct", "pet")]
    found = {one.name: one.split for one in split_for_training(cases, UNPAIRED)}
    assert found["A"] == "train" and {found["B"], found["C"]} == {"val", "test"}
    with pytest.raises(MedSynthError, match="No case has both images"):
        split_for_training(cases[:1], UNPAIRED)


def test_a_split_is_kept_when_asked_to():
    cases = [case(name, split, "ct", "pet") for name, split in zip("ABCD", ("test", "", "", ""), strict=True)]
    assert split_for_training(cases, PAIRED, keep=True)[0].split == "test"
    alone = [case("E", "test", "ct"), *cases]
    assert split_for_training(alone, UNPAIRED, keep=True)[0].split == "train"


@pytest.mark.parametrize("held_out", [1, 20, 60])
@pytest.mark.parametrize("seed", range(3))
def test_a_split_without_a_share_keeps_its_patients_and_gets_no_others(held_out, seed):
    cases = [case(f"P{n}", "test" if n < held_out else "", "ct") for n in range(held_out + 40)]
    found = split_cases(cases, (0.85, 0.15, 0.0), seed, keep=True)
    assert [one.split == "test" for one in found] == [n < held_out for n in range(held_out + 40)]
    assert [sum(one.split == split for one in found) for split in ("train", "val")] == [34, 6]


@pytest.mark.parametrize(
    ("splits", "words"),
    [
        (("", ""), "assign splits with: medsynth pairs split all.csv"),
        (("test", ""), "divide those without a split with: medsynth pairs split all.csv --keep --shares 0.85 0.15 0"),
        (("train", ""), "divide those without a split with: medsynth pairs split all.csv --keep"),
        (("test", "train"), "all with the split that the data set states"),
    ],
)
def test_the_next_step_is_the_command_for_cases_without_a_split(splits, words):
    step = next_step([case(f"P{n}", split, "ct") for n, split in enumerate(splits)], Path("all.csv"))
    assert step.endswith(words)


def test_a_manifest_is_divided_as_the_panel_divides(tmp_path):
    cases = [case("A", "", "ct"), case("B", "", "pet"), *(case(name, "", "ct", "pet") for name in "CDEFGH")]
    cases = [Case(one.name, "", {role: tmp_path / file for role, file in one.files.items()}) for one in cases]
    manifest = write_manifest(cases, tmp_path / "all.csv")
    for seed in range(5):
        found = split_manifest(manifest, tmp_path / "split.csv", seed=seed, needs=UNPAIRED)
        assert [one.split for one in found] == [one.split for one in split_for_training(cases, UNPAIRED, seed=seed)]
        assert [one.split for one in found[:2]] == ["train", "train"]
        # Without a recipe all are alike, as a mask that some cases lack must not decide where they go.
        plain = split_manifest(manifest, tmp_path / "plain.csv", seed=seed)
        assert [one.split for one in plain] == [one.split for one in split_cases(cases, seed=seed)]
