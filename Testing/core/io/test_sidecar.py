"""The JSON beside an image speaks of that image alone, and neither is written without the other."""

from __future__ import annotations

import json

import numpy as np
import pytest
from io_helpers import full_disk, noise_volume

from medsynth_core.errors import MedSynthError
from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import check_output, write_labelled, write_volume

LABELLED = noise_volume().replace(modality="PT", unit="SUVbw", metadata={"medsynth_version": "1", "synthetic": True})


def test_modality_unit_and_metadata_are_read_back(tmp_path):
    back = read_volume(write_labelled(LABELLED, tmp_path / "pet.nii.gz"))
    assert (back.modality, back.unit, back.metadata["synthetic"]) == ("PT", "SUVbw", True)


@pytest.mark.parametrize("other", ["pet.nrrd", "pet.nii", "pet.mha"])
def test_two_images_never_share_one(tmp_path, other):
    real = write_volume(noise_volume(), tmp_path / other)
    for refused in (check_output, write_labelled):
        with pytest.raises(MedSynthError, match=f"beside {other}, because pet.json would speak of both") as refusal:
            refused(LABELLED, tmp_path / "pet.nii.gz")
        assert refusal.value.kind == "output"
    assert list(tmp_path.iterdir()) == [real] and "synthetic" not in read_volume(real).metadata


def test_its_own_is_replaced(tmp_path):
    write_labelled(LABELLED, tmp_path / "pet.nii.gz")
    check_output(LABELLED, tmp_path / "pet.nii.gz")
    write_labelled(LABELLED.replace(unit="Bq/mL"), tmp_path / "pet.nii.gz")
    assert read_volume(tmp_path / "pet.nii.gz").unit == "Bq/mL"


@pytest.mark.parametrize("content", ['{"Modality": "PT", "ConversionSoftware": "another"}', "[1, 2]", "no JSON"])
def test_what_another_program_says_is_kept(tmp_path, content):
    (tmp_path / "pet.json").write_text(content)
    for refused in (check_output, write_labelled):
        with pytest.raises(MedSynthError, match="pet.json, where its unit and provenance belong, is not MedSynth's"):
            refused(LABELLED, tmp_path / "pet.nii.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["pet.json"]
    assert (tmp_path / "pet.json").read_text() == content


def test_where_it_cannot_be_written_there_is_no_image_either(tmp_path):
    (tmp_path / "pet.json").mkdir()
    with pytest.raises(MedSynthError, match="there is a folder of that name"):
        write_labelled(LABELLED, tmp_path / "pet.nii.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["pet.json"]


def test_where_the_image_cannot_be_written_both_stay_as_they_were(tmp_path):
    path = write_labelled(LABELLED, tmp_path / "pet.nii.gz")
    before = path.read_bytes()
    large = LABELLED.replace(voxels=np.random.default_rng(0).normal(size=(20, 30, 40)).astype(np.float32))
    with full_disk(), pytest.raises(MedSynthError, match="cannot be written: "):
        write_labelled(large.replace(unit="Bq/mL"), path)
    assert path.read_bytes() == before
    assert json.loads((tmp_path / "pet.json").read_text())["unit"] == "SUVbw"
    assert len(list(tmp_path.iterdir())) == 2
