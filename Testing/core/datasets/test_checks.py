"""Checks find everything that makes a case unusable or misleading, and accept good cases."""

import csv
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from builders import phantom_ct, phantom_pet, tiny_recipe

from medsynth_core import Cancelled, read_volume, write_volume
from medsynth_core.datasets.checks import DataChecks, check_cases, check_data
from medsynth_core.datasets.manifest import Case, read_manifest, write_manifest
from medsynth_core.grid import resample
from medsynth_core.io.sidecar import sidecar_beside
from medsynth_core.systems.data_needs import DataNeeds, Role

NEEDS = tiny_recipe().needs


def write_case(folder, number, split="train", shift=0.0, **patient):
    ct = phantom_ct((12, 40, 44), seed=number)
    pet = phantom_pet(ct)
    matrix = pet.ijk_to_ras.copy()
    matrix[0, 3] += shift
    files = {"ct": folder / f"ct{number}.nii.gz", "pet": folder / f"pet{number}.nii.gz"}
    write_volume(ct, files["ct"])
    # No two patients have the same uptake.
    write_volume(pet.replace(voxels=pet.voxels * np.float32(1 + 0.02 * number), ijk_to_ras=matrix), files["pet"])
    return Case(f"P{number}", split, files, **patient)


def say(volume, image):
    """Write the JSON beside an image and leave the image as it is."""
    with sidecar_beside(volume, image):
        pass


@pytest.fixture
def cases(tmp_path):
    splits = ["train"] * 4 + ["val", "test"]
    return [write_case(tmp_path, number, split) for number, split in enumerate(splits)]


def found(cases, needs=NEEDS):
    return {check.case: (check.state, " ".join(check.problems)) for check in check_cases(cases, needs)}


def test_valid_cases_are_good_and_measured(cases):
    checks = check_cases(cases, NEEDS)
    assert DataChecks(tuple(checks)).counts == {"good": 6, "doubtful": 0, "refused": 0}
    assert all(check.body_dice > 0.8 and check.mutual_information > 0.3 for check in checks)
    columns, rows = DataChecks(tuple(checks)).table()
    assert columns == ["case", "split", "state", "MI", "Dice", "problems"]
    assert rows[4][:3] == ["P4", "val", "good"] and float(rows[4][4]) == pytest.approx(checks[4].body_dice, abs=1e-3)


def test_missing_files_and_roles_are_refused_and_the_other_cases_still_checked(cases, tmp_path):
    cases[1].files["pet"].unlink()
    cases[2] = replace(cases[2], files={"ct": cases[2].files["ct"]})
    told = found(cases)
    assert told["P1"][0] == "refused" and "pet1.nii.gz" in told["P1"][1] and "no such file" in told["P1"][1]
    assert told["P2"][0] == "refused" and "no file for 'pet'" in told["P2"][1]
    assert [state for state, _ in told.values()].count("good") == 4


def test_a_wrong_modality_or_unit_stated_by_the_file_is_reported(cases):
    ct, pet = phantom_ct((12, 40, 44)), phantom_pet(phantom_ct((12, 40, 44)))
    say(pet.replace(unit="Bq/mL", metadata={"medsynth_version": "1"}), cases[0].files["pet"])
    say(ct.replace(modality="MR", metadata={"medsynth_version": "1"}), cases[1].files["ct"])
    told = found(cases)
    assert told["P0"][0] == told["P1"][0] == "refused"
    assert "unit is Bq/mL" in told["P0"][1] and "modality is MR" in told["P1"][1]


def test_a_wrong_modality_or_unit_is_recognized_by_the_values(cases):
    swapped = replace(cases[0], files={"ct": cases[0].files["pet"], "pet": cases[0].files["ct"]})
    pet = phantom_pet(phantom_ct((12, 40, 44)))
    write_volume(pet.replace(voxels=pet.voxels * 100), cases[1].files["pet"])
    write_volume(pet.replace(voxels=pet.voxels * 0 + 3), cases[2].files["pet"])
    write_volume(pet.replace(voxels=pet.voxels * 5000), cases[3].files["pet"])
    told = found([swapped, *cases[1:]])
    assert told["P0"][0] == "refused" and "ct: " in told["P0"][1] and "pet: " in told["P0"][1]
    assert told["P1"][0] == "doubtful" and "implausible for SUVbw" in told["P1"][1]
    assert told["P2"][0] == "doubtful" and "All voxels" in told["P2"][1]
    assert told["P3"][0] == "refused" and "beyond 2000, which no voxel of an image in SUVbw reaches" in told["P3"][1]


@pytest.mark.parametrize(
    ("value", "state", "words"),
    [
        (1e6, "refused", "beyond 2000"),
        (2500, "refused", "beyond 2000"),
        (-1e6, "refused", "beyond 2000"),
        (1e20, "refused", "beyond those of any scanner"),
        (-50, "doubtful", "1 of 21120 voxels of the image are below"),
        (np.nan, "refused", "not finite"),
    ],
)
def test_one_absurd_voxel_of_a_pet_is_found(cases, value, state, words):
    pet = read_volume(cases[1].files["pet"])
    voxels = pet.voxels.copy()
    voxels[2, 3, 4] = value
    cases[1].files["pet"].unlink()
    nib.save(nib.Nifti1Image(voxels.T, pet.ijk_to_ras), cases[1].files["pet"])
    told = found(cases)
    assert told["P1"][0] == state and words in told["P1"][1]
    assert told["P0"][0] == "good"


def test_a_ct_with_a_slice_of_zero_is_refused(cases):
    ct = read_volume(cases[1].files["ct"])
    ct.voxels[-1] = 0
    write_volume(ct, cases[1].files["ct"])
    state, problems = found(cases)["P1"]
    assert state == "refused" and "exactly the value 0 HU (in 1 whole plane of voxels)" in problems


def test_an_image_that_a_model_made_is_doubtful_but_a_simulated_dose_of_a_real_one_is_not(cases):
    ct, pet = phantom_ct((12, 40, 44)), phantom_pet(phantom_ct((12, 40, 44)))
    made = {"medsynth_version": "1", "synthetic": True}
    say(ct.replace(metadata=made), cases[0].files["ct"])
    say(pet.replace(metadata={**made, "simulation": {}, "source": {}}), cases[1].files["pet"])
    say(pet.replace(metadata={**made, "simulation": {}, "source": made}), cases[2].files["pet"])
    told = found(cases)
    assert told["P0"][0] == "doubtful" and told["P0"][1].startswith("ct: The image is synthetic")
    assert told["P2"][0] == "doubtful" and told["P2"][1].startswith("pet: The image is synthetic")
    assert told["P1"] == ("good", "")


def test_images_that_do_not_overlap_are_refused(cases, tmp_path):
    told = found([*cases, write_case(tmp_path, 9, shift=500.0)])
    assert told["P9"][0] == "refused" and "do not overlap" in told["P9"][1]


def test_a_pair_aligned_worse_than_the_others_is_doubtful(cases, tmp_path):
    told = found([*cases, write_case(tmp_path, 9, shift=9.0)])
    assert told.pop("P9")[0] == "doubtful"
    assert {state for state, _ in told.values()} == {"good"}


def test_bodies_that_hardly_overlap_are_doubtful_even_with_few_pairs(tmp_path):
    told = found([write_case(tmp_path, 0), write_case(tmp_path, 1, shift=20.0)])
    assert told["P0"][0] == "good"
    assert told["P1"][0] == "doubtful" and "body Dice" in told["P1"][1]


def test_one_image_in_two_cases_is_doubtful_and_in_two_splits_refused(cases, tmp_path):
    # As another file, of another type.
    ct = phantom_ct((12, 40, 44), seed=0)
    write_volume(ct.replace(voxels=ct.voxels.astype(np.float32)), tmp_path / "copy.mha")
    same_split = replace(cases[1], files={**cases[1].files, "ct": tmp_path / "copy.mha"})
    told = found([cases[0], same_split, *cases[2:]])
    assert told["P0"] == ("doubtful", "ct is also ct of P1.") and told["P1"] == ("doubtful", "ct is also ct of P0.")
    told = found([cases[0], *cases[1:4], replace(same_split, name="P4", split="val"), cases[5]])
    assert told["P0"][0] == told["P4"][0] == "refused" and "in the split val" in told["P0"][1]


def test_an_image_as_input_and_target_is_refused(cases):
    twice = replace(cases[0], files={"ct": cases[0].files["pet"], "pet": cases[0].files["pet"]})
    needs = DataNeeds((Role("ct", "PT", "SUVbw"), Role("pet", "PT", "SUVbw")))
    told = check_cases([twice], needs)[0]
    assert told.state == "refused" and "same image" in told.problems[0]


def test_the_same_patient_in_two_splits_is_refused(cases):
    cases[0], cases[4] = (replace(case, patient="Jo") for case in (cases[0], cases[4]))
    told = found(cases)
    assert told["P0"][0] == told["P4"][0] == "refused" and told["P1"][0] == "good"
    assert "'Jo' is in the splits train and val" in told["P0"][1]
    cases[4] = replace(cases[4], patient="JO")
    assert "'Jo', also spelled 'JO', is in the splits train and val" in found(cases)["P4"][1]


def test_grids_may_differ_in_axes_and_voxels(cases):
    pet = read_volume(cases[3].files["pet"])
    matrix = pet.ijk_to_ras @ np.diag([-1.6, 1.3, -2.0, 1.0])
    matrix[:3, 3] = pet.ijk_to_ras[:3] @ [43, 0, 11, 1]
    other = pet.replace(voxels=np.zeros((17, 30, 27), np.float32), ijk_to_ras=matrix)
    write_volume(resample(pet, other), cases[3].files["pet"])
    assert found(cases)["P3"][0] == "good"


def test_an_optional_role_is_checked_if_present(cases, tmp_path):
    needs = DataNeeds(NEEDS.roles, optional=("ct",))
    cases[0] = replace(cases[0], files={"pet": cases[0].files["pet"]})
    cases[1].files["ct"].unlink()
    cases[2] = replace(cases[2], files={**cases[2].files, "ct": cases[3].files["pet"]})
    told = found(cases[:3], needs)
    assert told["P0"] == ("good", "")
    assert told["P1"][0] == "refused" and "no such file" in told["P1"][1]
    assert told["P2"][0] == "refused" and "not Hounsfield" in told["P2"][1]
    # The column may be missing too.
    write_manifest([replace(case, files={"pet": case.files["pet"]}) for case in cases], tmp_path / "all.csv")
    assert check_data(tmp_path / "all.csv", needs).refusal == ""


def test_a_copy_in_another_role_of_an_unpaired_case_is_found(cases):
    needs = DataNeeds((Role("a", "CT", "HU"), Role("b", "CT", "HU")), paired=False)
    one, other = cases[0].files["ct"], cases[1].files["ct"]
    told = found(
        [Case("A", "train", {"a": one}), Case("B", "train", {"b": other}), Case("V", "val", {"a": other, "b": one})],
        needs,
    )
    assert told["A"][0] == "refused" and told["A"][1] == "a is also b of V, in the split val."
    assert told["B"][0] == told["V"][0] == "refused"


def test_a_folder_is_not_an_image_file(cases, tmp_path):
    cases[0] = replace(cases[0], files={**cases[0].files, "ct": tmp_path})
    assert found(cases)["P0"][0] == "refused"


def test_it_can_be_cancelled(cases):
    def stop(fraction, message):
        if "P2" in message:
            raise Cancelled

    with pytest.raises(Cancelled):
        check_cases(cases, NEEDS, stop)


@pytest.mark.slow
def test_real_pairs_with_poor_registration_are_doubtful_and_good_ones_are_not(shared_data):
    manifest = shared_data / "sts" / "cases.csv"
    with manifest.open() as file:
        judged = {row["case"]: row["ct_mr_registration"] for row in csv.DictReader(file)}
    # A part of the set: every poor pair, and others.
    kept = [name for name, word in judged.items() if word == "poor"] + [n for n, w in judged.items() if w == "good"][
        :14
    ]
    cases = [case for case in read_manifest(manifest, ("ct", "mr_t1")) if case.name in kept]
    needs = DataNeeds((Role("ct", "CT", "HU"), Role("mr_t1", "MR")))
    states = {check.case: check.state for check in check_cases(cases, needs)}
    poor = [states[name] for name in kept if judged[name] == "poor"]
    assert poor.count("doubtful") >= 4
    assert "doubtful" not in [states[name] for name in kept if judged[name] == "good"]
