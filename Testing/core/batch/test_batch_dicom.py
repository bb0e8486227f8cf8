"""Batches over DICOM studies: which series they take, how studies are called, and results as DICOM."""

from pathlib import Path

import numpy as np
import pytest
from builders import phantom_ct
from dicom_builder import write_series

from medsynth_core import MedSynthError, batch, load_model, read_volume, synthesize, write_dicom
from medsynth_core.batches.settings import BatchSettings
from medsynth_core.batches.study_list import list_studies

CONTRACT = load_model("ct-to-pet").synthesis.contract
POSITIONS = [(-20.0, -30.0, 40.0 + 3 * k) for k in range(6)]


def write_ct(folder: Path, study: str, seed: int = 0, **tags: object) -> list[Path]:
    """Write a phantom as a CT series of a study."""
    hu = phantom_ct(seed=seed).voxels
    stored = (hu + 1024).clip(0).astype(np.uint16)
    uids = {"StudyInstanceUID": f"1.2.3.{study}", "SeriesInstanceUID": f"1.2.3.{study}.1.{seed}"}
    return write_series(
        folder,
        POSITIONS,
        stored,
        prefix=f"s{study}-{seed}",
        **{"RescaleSlope": 1, "RescaleIntercept": -1024, **uids, "PatientID": f"P{study}", **tags},
    )


def test_studies_are_named_after_their_folders(tmp_path):
    write_ct(tmp_path / "P1" / "CT", "1")
    write_ct(tmp_path / "P2", "2", seed=1)
    assert [study.name for study in list_studies(tmp_path, CONTRACT)] == ["P1_CT", "P2"]


def test_studies_of_one_folder_get_numbers_that_stay(tmp_path):
    write_ct(tmp_path, "1")
    assert [study.name for study in list_studies(tmp_path, CONTRACT)] == [tmp_path.name]
    write_ct(tmp_path, "2", seed=1)
    two = {study.name for study in list_studies(tmp_path, CONTRACT)}
    write_ct(tmp_path, "3", seed=2)
    three = {study.name for study in list_studies(tmp_path, CONTRACT)}
    assert len(two) == 2 and two < three and all(name.startswith(f"{tmp_path.name}_") for name in three)


def test_only_the_series_of_the_study_are_used_and_results_are_dicom_too(tmp_path):
    for number in (1, 2):
        write_ct(tmp_path / "in", str(number), seed=number)
    out = tmp_path / "out"
    found = batch(tmp_path / "in", out, "ct-to-pet", settings=BatchSettings(dicom=True), device="cpu")
    assert found.failed == {} and len(found.made) == 2
    seen = set()
    for name in found.made:
        files = sorted((out / name / "dicom_pet").iterdir())
        written = read_volume(out / name / f"{name}_pet.nii.gz")
        assert len(files) == 6 and np.allclose(read_volume(files[0]).voxels, written.voxels, atol=1e-3)
        seen |= {
            number
            for number in (1, 2)
            if np.array_equal(
                written.voxels,
                synthesize(read_volume(tmp_path / "in" / f"s{number}-{number}000.dcm"), device="cpu").voxels,
            )
        }
    assert seen == {1, 2}
    assert batch(tmp_path / "in", out, "ct-to-pet", settings=BatchSettings(dicom=True), device="cpu").made == []
    write_ct(tmp_path / "in", "1", seed=1, KVP=80)
    assert batch(tmp_path / "in", out, "ct-to-pet", settings=BatchSettings(dicom=True), device="cpu").made == []
    write_ct(tmp_path / "in", "1", seed=1, RescaleIntercept=-1000)
    again = batch(tmp_path / "in", out, "ct-to-pet", settings=BatchSettings(dicom=True), device="cpu")
    assert len(again.made) == 1 and len(again.there) == 1


def test_dicom_of_an_image_file_is_a_failure_of_the_study(tmp_path):
    from batch_helpers import names, write_studies

    found = batch(
        write_studies(tmp_path / "in", "P1"),
        tmp_path / "out",
        "ct-to-pet",
        settings=BatchSettings(dicom=True),
        device="cpu",
    )
    assert "DICOM" in found.failed["P1"] and names(tmp_path / "out") == []


def test_synthetic_series_are_passed_over(tmp_path):
    write_ct(tmp_path / "in" / "P1", "1")
    made = synthesize(read_volume(tmp_path / "in" / "P1"), device="cpu")
    write_dicom(made, tmp_path / "in" / "P1" / "synthetic", tmp_path / "in" / "P1")
    (study,) = list_studies(tmp_path / "in", CONTRACT)
    assert len(study.series["ct"]) == 6


def test_a_folder_without_the_models_modality_is_refused(tmp_path):
    write_series(tmp_path, modality="MR")
    with pytest.raises(MedSynthError, match="nor a DICOM study with CT images"):
        list_studies(tmp_path, CONTRACT)


def test_a_series_in_several_folders_is_read_whole(tmp_path):
    files = write_ct(tmp_path / "in" / "P1" / "d1", "1")
    (tmp_path / "in" / "P1" / "d2").mkdir()
    for file in files[3:]:
        file.rename(tmp_path / "in" / "P1" / "d2" / file.name)
    found = batch(tmp_path / "in", tmp_path / "out", "ct-to-pet", settings=BatchSettings(dicom=True), device="cpu")
    assert found.made == ["P1"]
    assert read_volume(tmp_path / "out" / "P1" / "P1_pet.nii.gz").shape[0] == 6
    assert len(list((tmp_path / "out" / "P1" / "dicom_pet").iterdir())) == 6


def test_a_damaged_file_is_a_failure_of_its_study_alone(tmp_path):
    write_ct(tmp_path / "in" / "P1", "1")
    files = write_ct(tmp_path / "in" / "P2", "2", seed=1)
    whole = files[2].read_bytes()
    files[2].write_bytes(whole[:300])
    (tmp_path / "in" / "P3").mkdir()
    (tmp_path / "in" / "P3" / "only.dcm").write_bytes(whole[:300])
    found = batch(tmp_path / "in", tmp_path / "out", "ct-to-pet", device="cpu")
    assert found.made == ["P1"] and set(found.failed) == {"P2", "P3"}
    assert all("damaged" in message for message in found.failed.values())
