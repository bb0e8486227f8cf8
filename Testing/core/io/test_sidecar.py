"""The JSON beside an image belongs to that image alone, and neither is written without the other."""

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
def test_the_json_of_one_image_says_nothing_of_another_with_the_same_stem(tmp_path, other):
    real = write_volume(noise_volume(), tmp_path / other)
    path = write_labelled(LABELLED, tmp_path / "pet.nii.gz")
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([other, "pet.json", "pet.nii.gz"])
    assert "synthetic" not in read_volume(real).metadata and read_volume(real).unit == ""
    assert read_volume(path).metadata["synthetic"] is True


SUFFIXES = (".nii.gz", ".nrrd", ".mha", ".nii")


def test_results_that_differ_by_the_suffix_have_a_json_each(tmp_path):
    for unit, suffix in zip(("SUVbw", "Bq/mL", "HU", "1"), SUFFIXES, strict=True):
        check_output(LABELLED, tmp_path / f"pet{suffix}")
        write_labelled(LABELLED.replace(unit=unit), tmp_path / f"pet{suffix}")
    assert [read_volume(tmp_path / f"pet{suffix}").unit for suffix in SUFFIXES] == ["SUVbw", "Bq/mL", "HU", "1"]
    write_labelled(LABELLED.replace(unit="SUVlbm"), tmp_path / "pet.nrrd")  # replaces its own only
    assert [read_volume(tmp_path / f"pet{suffix}").unit for suffix in SUFFIXES] == ["SUVbw", "SUVlbm", "HU", "1"]
    assert len(list(tmp_path.glob("*.json"))) == len(SUFFIXES)


def test_a_json_of_an_earlier_version_stays_with_its_image(tmp_path):
    path = write_volume(noise_volume(), tmp_path / "pet.nii.gz")
    (tmp_path / "pet.json").write_text('{"medsynth_version": "0.1", "modality": "PT", "unit": "SUVbw"}')
    other = write_labelled(LABELLED.replace(unit="Bq/mL"), tmp_path / "pet.nrrd")
    assert (read_volume(path).unit, read_volume(other).unit) == ("SUVbw", "Bq/mL")


def test_an_image_that_was_renamed_with_its_json_keeps_it(tmp_path):
    path = write_labelled(LABELLED, tmp_path / "pet.nii.gz")
    (tmp_path / "other.nii.gz").write_bytes(path.read_bytes())
    (tmp_path / "pet.json").rename(tmp_path / "other.json")
    assert read_volume(tmp_path / "other.nii.gz").unit == "SUVbw"
    assert "image_file" not in read_volume(tmp_path / "other.nii.gz").metadata


def test_what_medsynth_made_is_labelled_however_it_is_written(tmp_path):
    found = read_volume(write_volume(LABELLED, tmp_path / "pet.nii.gz"))
    assert found.is_synthetic and (found.modality, found.unit) == ("PT", "SUVbw")


def test_an_image_that_replaces_another_does_not_keep_its_label(tmp_path):
    write_labelled(LABELLED, tmp_path / "pet.nii.gz")
    write_volume(LABELLED.replace(unit="Bq/mL", metadata={}), tmp_path / "pet.nii.gz")
    found = read_volume(tmp_path / "pet.nii.gz")
    assert found.unit == "Bq/mL" and not found.is_synthetic


def test_an_image_of_unknown_origin_has_no_json(tmp_path):
    write_volume(noise_volume(), tmp_path / "pet.nii.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["pet.nii.gz"]


def test_its_own_json_is_replaced(tmp_path):
    write_labelled(LABELLED, tmp_path / "pet.nii.gz")
    check_output(LABELLED, tmp_path / "pet.nii.gz")
    write_labelled(LABELLED.replace(unit="Bq/mL"), tmp_path / "pet.nii.gz")
    assert read_volume(tmp_path / "pet.nii.gz").unit == "Bq/mL"


FOREIGN = ['{"Modality": "PT", "ConversionSoftware": "another"}', "[1, 2]", "no JSON", "[" * 100_000]


@pytest.mark.parametrize("content", FOREIGN)
def test_a_json_of_another_program_is_kept(tmp_path, content):
    (tmp_path / "pet.json").write_text(content)
    path = write_labelled(LABELLED, tmp_path / "pet.nii.gz")
    assert (tmp_path / "pet.json").read_text() == content
    assert read_volume(path).unit == "SUVbw"
    (tmp_path / "pet.nii.gz.json").write_text(content)
    for refused in (check_output, write_labelled):
        with pytest.raises(
            MedSynthError, match="pet.nii.gz.json, needed for its unit and provenance, belongs to another program"
        ) as refusal:
            refused(LABELLED, tmp_path / "pet.nii.gz")
        assert refusal.value.kind == "output"
    assert (tmp_path / "pet.nii.gz.json").read_text() == content


def test_if_the_json_cannot_be_written_neither_is_the_image(tmp_path):
    for name in ("pet.json", "pet.nii.gz.json"):
        (tmp_path / name).mkdir()
    with pytest.raises(MedSynthError, match="a folder with that name exists"):
        write_labelled(LABELLED, tmp_path / "pet.nii.gz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pet.json", "pet.nii.gz.json"]


def test_where_the_image_cannot_be_written_both_stay_as_they_were(tmp_path):
    path = write_labelled(LABELLED, tmp_path / "pet.nii.gz")
    before = path.read_bytes()
    large = LABELLED.replace(voxels=np.random.default_rng(0).normal(size=(20, 30, 40)).astype(np.float32))
    with full_disk(), pytest.raises(MedSynthError, match="cannot be written: "):
        write_labelled(large.replace(unit="Bq/mL"), path)
    assert path.read_bytes() == before
    assert json.loads((tmp_path / "pet.json").read_text())["unit"] == "SUVbw"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"limits": 5},
        {"limits": None},
        {"limits": "One."},
        {"simulation": None},
        {"simulation": {"dose_reduction_factor": "4"}},
        {"simulation": {"dose_reduction_factor": 0}},
        {"averaged_spacing": [1, 2]},
        {"averaged_spacing": [1, 2, float("inf")]},
        {"suv": {"warnings": 5}},
        {"suv_refused": ["x"]},
        {"modality": None},
        {"unit": {}},
        {"synthetic": "no"},
        {"error_map": 1},
        {"model": {"a": 1}},
        {"source": [1]},
        {"source": {"source": {"limits": 5}}},
    ],
    ids=str,
)
def test_a_fact_of_another_type_is_refused_by_its_name(change, tmp_path):
    write_labelled(LABELLED, tmp_path / "pet.nii.gz")
    content = json.loads((tmp_path / "pet.json").read_text())
    (tmp_path / "pet.json").write_text(json.dumps({**content, **change}))
    with pytest.raises(
        MedSynthError, match=rf"pet.json, which describes pet.nii.gz, is damaged: its '[a-z_.]*{next(iter(change))[:3]}"
    ):
        read_volume(tmp_path / "pet.nii.gz")


def test_facts_of_a_hundred_generations_are_refused(tmp_path):
    write_labelled(LABELLED, tmp_path / "pet.nii.gz")
    facts = {"medsynth_version": "0.1"}
    for _ in range(100):
        facts = {"medsynth_version": "0.1", "source": facts}
    (tmp_path / "pet.json").write_text(json.dumps(facts))
    with pytest.raises(MedSynthError, match="more than 20 images"):
        read_volume(tmp_path / "pet.nii.gz")
