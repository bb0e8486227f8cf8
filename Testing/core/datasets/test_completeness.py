"""Missing files and splits are reported before an image is opened."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from builders import dose_recipe
from verdict_cases import DATA_SETS, pairs, unpaired_recipe, without

from medsynth_core import MedSynthError
from medsynth_core.datasets.checks import check_data
from medsynth_core.datasets.completeness import lacking_roles, training_cases, what_is_missing
from medsynth_core.datasets.manifest import Case, write_manifest
from medsynth_core.systems.data_needs import DataNeeds, Role

ROLES = (Role("ct", "CT", "HU"), Role("pet", "PT", "SUVbw"))
PAIRED, UNPAIRED = DataNeeds(ROLES), DataNeeds(ROLES, paired=False)
TWO_OF_EACH = DataNeeds(
    (*ROLES, Role("mr", "MR"), Role("late", "PT", "SUVbw"), Role("more", "CT", "HU")),
    paired=False,
    optional=("more",),
    sides=(("ct", "mr", "more"), ("pet", "late")),
)
WITH_OPTIONAL = DataNeeds((*ROLES, Role("mr", "MR")), optional=("mr",))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a file is missing", r"Line 3 of the manifest .*, case 'P1': pet: there is no such file: .*pet1.nii.gz"),
        ("a pair without target", r"Line 2 .* case 'P0': There is no file for 'pet'; add it, or remove the case\."),
        ("no case for validation", "has no case in the split 'val'; assign at least one"),
        ("a case without split", "The case 'P0' has no split; .* medsynth pairs split .*all.csv"),
        (
            "unpaired, no pair for validation",
            r"case 'P2': There is no file for 'pet', which the split 'val' needs; .* to train\.",
        ),
        (
            "unpaired, one of two inputs is missing",
            r"case 'P0': There is no file for 'mr', which is needed together with 'ct'; add it, or remove 'ct' from ",
        ),
        ("doses, an attenuation CT is missing", r"case 'P1': There is no file for 'ct'; add it"),
    ],
)
def test_the_message_states_what_is_missing_and_where(name, words, tmp_path):
    data = DATA_SETS[name](tmp_path)
    with pytest.raises(MedSynthError, match=words):
        training_cases(data.write(tmp_path), data.recipe.needs)


def test_unpaired_training_needs_images_of_both_roles(tmp_path):
    cases = without(without(pairs(tmp_path), 0, "pet"), 1, "pet")
    needs, manifest = unpaired_recipe().needs, write_manifest(cases, tmp_path / "all.csv")
    with pytest.raises(MedSynthError, match="No case in the split 'train' has a file for 'pet'") as refusal:
        training_cases(manifest, needs)
    checks = check_data(manifest, needs)
    assert checks.problems == (refusal.value.message,) and checks.counts["refused"] == 0
    assert checks.refusal == refusal.value.message


def test_a_case_without_any_image_is_refused_even_if_all_roles_are_optional(tmp_path):
    cases = pairs(tmp_path)
    cases[0] = replace(cases[0], files={})
    recipe = unpaired_recipe()
    needs = DataNeeds(recipe.needs.roles, optional=("ct", "pet"))
    with pytest.raises(MedSynthError, match="case 'P0': The case has none of the images that the training needs"):
        training_cases(write_manifest(cases[1:] + cases[:1], tmp_path / "all.csv"), needs)


def test_several_cases_without_split_are_counted(tmp_path):
    cases = [replace(case, split="") for case in pairs(tmp_path)]
    with pytest.raises(MedSynthError, match="The case 'P0' has no split, nor do 3 others"):
        training_cases(write_manifest(cases, tmp_path / "all.csv"), unpaired_recipe().needs)


def listed(folder, *cases):
    """Return cases (name, split, roles) with files that are there."""
    for name, _split, *roles in cases:
        for role in roles:
            (folder / f"{name}-{role}.nii.gz").touch()
    return [
        Case(name, split, {role: folder / f"{name}-{role}.nii.gz" for role in roles}) for name, split, *roles in cases
    ]


A, B = ("A", "train", "ct", "pet"), ("B", "val", "ct", "pet")


@pytest.mark.parametrize(
    ("needs", "cases", "words"),
    [
        (PAIRED, (), "Add cases"),
        (PAIRED, (A, B, ("C", "", "ct", "pet")), "'C' has no split; .* or divide the data set by patient\\.$"),
        (PAIRED, (A,), "The data set has no case in the split 'val'"),
        (PAIRED, (A, B, ("C", "train", "ct")), "Case 'C': There is no file for 'pet'; add it, or remove the case"),
        (PAIRED, (A, B), "^$"),
        (WITH_OPTIONAL, (A, B), "^$"),
        (UNPAIRED, (A, B, ("C", "train", "ct")), "^$"),
        (UNPAIRED, (A, B, ("C", "val", "ct")), "'C': There is no file for 'pet', which the split 'val' needs"),
        (
            UNPAIRED,
            (A, B, ("C", "train", "mr")),
            "'C': The case has none of the images that the training needs; remove",
        ),
        (UNPAIRED, (("C", "train", "ct"), B), "No case in the split 'train' has a file for 'pet'"),
    ],
)
def test_without_a_manifest_the_same_is_said(needs, cases, words, tmp_path):
    found = what_is_missing(listed(tmp_path, *cases), needs)
    assert re.search(words, found) and "medsynth" not in found


CLASSIFIED = replace(PAIRED, classes=("normal", "viral"))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (("normal", "viral", "viral"), "^$"),
        (("normal", "viral", ""), "Case 'C': The case has no class; enter one of normal, viral in the column 'class'"),
        (("normal", "viral", "Viral"), "Case 'C': The case has the class 'Viral', but the recipe has normal, viral"),
        (("normal", "normal", "viral"), "No case in the split 'train' has the class 'viral'; add one"),
    ],
)
def test_with_classes_each_case_has_one_of_them(labels, words, tmp_path):
    cases = [
        replace(case, label=label)
        for case, label in zip(listed(tmp_path, A, ("D", "train", *A[2:]), ("C", *B[1:])), labels, strict=True)
    ]
    assert re.search(words, what_is_missing(cases, CLASSIFIED))
    assert what_is_missing(cases, PAIRED) == ""
    manifest = write_manifest(cases, tmp_path / "all.csv")
    if words == "^$":
        assert [case.label for case in training_cases(manifest, CLASSIFIED)] == list(labels)
        assert not any(case.label for case in training_cases(manifest, PAIRED))
        return
    with pytest.raises(MedSynthError, match=words.removeprefix("Case ")):
        training_cases(manifest, CLASSIFIED)
    checked = check_data(manifest, CLASSIFIED)
    assert re.search(words.removeprefix("Case 'C': "), " ".join([*checked.problems, *checked.cases[2].problems]))


ALL = ("ct", "mr", "pet", "late")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (("train", "ct", "mr"), "^$"),
        (("train", "pet", "late"), "^$"),
        (("train", "pet", "late", "ct", "mr", "more"), "^$"),
        (("train", "ct"), "'mr', which is needed together with 'ct'; add it, or remove the case"),
        (("train", "more"), "'ct', which is needed together with 'more'; add it, or remove the case"),
        (("train", "pet"), "'late', which is needed together with 'pet'; add it, or remove the case"),
        (
            ("train", "ct", "more", "pet", "late"),
            "'mr', which is needed together with 'ct' and 'more'; .* remove 'ct' and 'more' from the case",
        ),
        (("val", "ct", "pet", "late"), "There is no file for 'mr'; add it, or remove the case"),
        (("val", "ct", "mr"), "'pet', which the split 'val' needs; add it, or move the case to train"),
    ],
)
def test_an_unpaired_training_case_has_all_inputs_or_all_outputs(case, words, tmp_path):
    cases = listed(tmp_path, ("A", "train", *ALL), ("B", "val", *ALL), ("C", *case))
    assert re.search(words, what_is_missing(cases, TWO_OF_EACH))


def test_a_case_of_which_a_dose_is_simulated_needs_all_its_images_even_if_unpaired(tmp_path):
    recipe = dose_recipe(dose={"simulation": {"counts": 200000, "subsets": 8}, "attenuation_role": "ct"})
    needs = replace(recipe.needs, paired=False)
    cases = listed(tmp_path, ("A", "train", "pet", "ct"), ("B", "val", "pet", "ct"), ("C", "train", "pet"))
    assert "'C': There is no file for 'ct', which is needed together with 'pet'" in what_is_missing(cases, needs)


def test_optional_images_are_never_lacking():
    assert lacking_roles({"ct": 1, "pet": 2}, WITH_OPTIONAL) == []
    assert lacking_roles({"mr"}, WITH_OPTIONAL) == ["ct", "pet"]


def test_the_command_for_unpaired_data_asks_for_the_recipe(tmp_path):
    cases = [replace(case, split="") for case in pairs(tmp_path)]
    manifest = write_manifest(cases, tmp_path / "all.csv")
    with pytest.raises(MedSynthError, match=r"medsynth pairs split .*all.csv --recipe RECIPE\."):
        training_cases(manifest, unpaired_recipe().needs)
