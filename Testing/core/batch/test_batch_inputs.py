"""What counts as the input of a study: everything that is read of it, wherever it is, and nothing else."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from batch_helpers import content, names, write_studies
from builders import phantom_ct

from medsynth_core import MedSynthError, batch, load_model, read_volume, write_volume
from medsynth_core.batches.study import Study
from medsynth_core.batches.study_inputs import StudyInputs
from medsynth_core.inference.loaded_model import LoadedModel

CONTRACT = load_model("ct-to-pet").synthesis.contract


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return LoadedModel.load("ct-to-pet")


def inputs(path: Path, **more: object) -> StudyInputs:
    return StudyInputs(Study("P1", {"ct": path}, **more), CONTRACT, "HU")


def test_an_older_file_of_the_same_size_is_another_one(tmp_path):
    path = tmp_path / "P1.nii"
    write_volume(phantom_ct(seed=0), path)
    (tmp_path / "P1.json").write_text("{}")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    record = inputs(path).record()
    write_volume(phantom_ct(seed=1), path)
    os.utime(path, (1_100_000_000, 1_100_000_000))  # as cp -p leaves it
    assert not inputs(path).is_same(record)


def test_the_same_image_in_another_file_is_the_same(tmp_path):
    path = tmp_path / "P1.nii.gz"
    write_volume(phantom_ct(seed=0), path)
    record = inputs(path).record()
    import gzip

    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1))
    assert inputs(path).is_same(record)


def test_voxels_in_a_file_of_their_own_count(tmp_path):
    voxels = phantom_ct(seed=0).voxels.astype("<i2")
    k, j, i = voxels.shape
    header = (
        f"ObjectType = Image\nNDims = 3\nDimSize = {i} {j} {k}\nElementSpacing = 1 1 3\nOffset = 0 0 0\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\nBinaryData = True\nElementByteOrderMSB = False\n"
        "ElementType = MET_SHORT\nElementDataFile = other.bin\n"
    )
    (tmp_path / "P1.mhd").write_text(header)
    (tmp_path / "other.bin").write_bytes(voxels.tobytes())
    os.utime(tmp_path / "P1.mhd", (1_000_000_000, 1_000_000_000))
    record = inputs(tmp_path / "P1.mhd").record()
    assert inputs(tmp_path / "P1.mhd").is_same(record)
    (tmp_path / "other.bin").write_bytes((voxels + 1).tobytes())
    assert not inputs(tmp_path / "P1.mhd").is_same(record)


def test_what_a_data_set_says_of_a_pet_counts(tmp_path):
    pet = phantom_ct().replace(voxels=np.full((6, 40, 44), 5000.0, np.float32), modality="PT", unit="Bq/mL")
    path = tmp_path / "sub-1" / "pet" / "sub-1_pet.nii.gz"
    path.parent.mkdir(parents=True)
    write_volume(pet, path)
    stated = {"Units": "Bq/mL", "InjectedRadioactivity": 300, "InjectedRadioactivityUnits": "MBq", "InjectionStart": 0,
              "ScanStart": 3600, "TimeZero": "10:00:00", "ImageDecayCorrected": True, "ImageDecayCorrectionTime": 3600,
              "TracerRadionuclide": "F18"}  # fmt: skip
    path.with_name("sub-1_pet.json").write_text(json.dumps(stated))
    contract = load_model("low-dose-pet").synthesis.contract
    table = tmp_path / "participants.tsv"

    def weighing(kg: int) -> StudyInputs:
        table.write_text(f"participant_id\tweight\nsub-1\t{kg}\n")
        return StudyInputs(Study("P1", {"pet": path}), contract)

    record = weighing(70).record()
    assert not weighing(90).is_same(record) and weighing(70).is_same(record)
    # A line for somebody else is no other input.
    table.write_text("participant_id\tweight\nsub-1\t70\nsub-2\t60\n")
    assert StudyInputs(Study("P1", {"pet": path}), contract).is_same(record)


def test_an_empty_folder_is_said(tmp_path):
    (tmp_path / "P1").mkdir()
    with pytest.raises(MedSynthError, match="The folder .*P1 is empty"):
        inputs(tmp_path / "P1")


def test_another_archive_does_not_replace_results_of_the_same_name(tmp_path, loaded):
    first = write_studies(tmp_path / "a", "P1 P2")
    second = tmp_path / "b"
    second.mkdir()
    write_volume(phantom_ct(seed=7), second / "P1.nii.gz")
    batch(first, tmp_path / "out", loaded, device="cpu")
    before = content(tmp_path / "out")["P1/P1_pet.nii.gz"]
    found = batch(second, tmp_path / "out", loaded, device="cpu")
    assert "results of other files with the name of this study" in found.failed["P1"]
    assert "its folder still holds what was there before" in found.failed["P1"]
    assert content(tmp_path / "out")["P1/P1_pet.nii.gz"] == before
    # The same image in another place is the same input.
    (tmp_path / "moved").mkdir()
    for path in first.iterdir():
        path.rename(tmp_path / "moved" / path.name)
    assert batch(tmp_path / "moved", tmp_path / "out", loaded, device="cpu").there == ["P1", "P2"]


def test_files_of_the_user_are_not_taken_for_those_of_a_batch(tmp_path, loaded):
    studies, out = write_studies(tmp_path / "in", "P1"), tmp_path / "out"
    out.mkdir()
    (out / "failures.csv").write_text("mine")
    with pytest.raises(MedSynthError, match="already contains failures.csv, which no batch has written"):
        batch(studies, out, loaded, device="cpu")
    assert content(out)["failures.csv"][0] == b"mine" and names(out) == []
    with pytest.raises(MedSynthError, match="is the folder of the studies"):
        batch(studies, studies, loaded, device="cpu")


def test_what_cannot_be_written_is_said_before_the_network_runs(tmp_path, loaded, monkeypatch):
    from medsynth_core.batches.settings import BatchSettings
    from medsynth_core.batches.study_steps import StudySteps

    monkeypatch.setattr(StudySteps, "predict", lambda *given: pytest.fail("the network ran"))
    studies = write_studies(tmp_path / "in", "P1")
    found = batch(studies, tmp_path / "out", loaded, settings=BatchSettings(dicom=True), device="cpu")
    assert "is not DICOM, so its result cannot be written as a series" in found.failed["P1"]
    for unit in ("HUU", "SUVbw"):
        with pytest.raises(MedSynthError, match=f"'{unit}' is not a unit of CT images"):
            batch(studies, tmp_path / "out", loaded, settings=BatchSettings(unit=unit), device="cpu")


def test_metrics_are_those_of_results_that_count(tmp_path, loaded):
    studies = write_studies(tmp_path / "in", "P1 P2")
    for name in ("P1", "P2"):
        write_volume(phantom_ct().replace(modality="PT", unit="SUVbw"), tmp_path / f"real-{name}.nii.gz")
    rows = "case,ct,real\n" + "".join(f"{name},in/{name}.nii.gz,real-{name}.nii.gz\n" for name in ("P1", "P2"))
    (tmp_path / "cases.csv").write_text(rows)
    batch(tmp_path / "cases.csv", tmp_path / "out", loaded, reference="real", device="cpu")
    lines = (tmp_path / "out" / "metrics.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["case", "P1", "P2"]
    (studies / "P1.nii.gz").write_bytes(b"")
    batch(tmp_path / "cases.csv", tmp_path / "out", loaded, reference="real", device="cpu")
    lines = (tmp_path / "out" / "metrics.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["case", "P2"]


def test_results_are_read_again_as_they_were_written(tmp_path, loaded):
    batch(write_studies(tmp_path / "in", "P1"), tmp_path / "out", loaded, device="cpu")
    result = read_volume(tmp_path / "out" / "P1" / "P1_pet.nii.gz")
    assert set(result.metadata["batch"]["inputs"]["ct"]) == {"state", "sha256"}
    assert str(tmp_path) not in json.dumps(result.metadata)
