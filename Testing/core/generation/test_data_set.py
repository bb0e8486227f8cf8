"""Data sets of generated cases: registered, labelled, in known units, the same again, and completed after a stop."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from generated_folders import digests, stopped_before

from medsynth_core import Cancelled, MedSynthError, generate, read_volume, write_volume
from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.generation.from_volume import anatomy_of
from medsynth_core.generation.generator import Generator
from medsynth_core.io.pictures import read_picture
from medsynth_core.structure.settings import preset

pytestmark = pytest.mark.slow
PARTS = ("structure", "background", "lesion", "ct", "pet")


@pytest.fixture(scope="module")
def made(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated") / "set"
    generate(package, folder, 3, slices=2, seed=5, filtered=False, device="cpu")
    return folder


def test_all_volumes_of_a_case_lie_on_one_grid_in_their_units(made):
    for case in read_manifest(made / "manifest.csv", PARTS):
        volumes = {part: read_volume(case.files[part]) for part in PARTS}
        first = volumes["ct"]
        assert first.shape == (2, 64, 64) and first.spacing == (3.0, 3.0, 4.0)
        for volume in volumes.values():
            assert volume.shape == first.shape and np.array_equal(volume.ijk_to_ras, first.ijk_to_ras)
            assert volume.is_synthetic and volume.metadata["random_seed"] == 5
        assert (first.modality, first.unit) == ("CT", "HU")
        assert (volumes["pet"].modality, volumes["pet"].unit) == ("PT", "SUVbw")
        assert first.voxels.min() >= -1024 and volumes["pet"].voxels.min() >= 0
        assert "not for diagnosis" in first.metadata["description"]


def test_lesions_lie_in_the_organ_and_lines_too(made):
    for case in read_manifest(made / "manifest.csv", PARTS):
        structure, background, lesion = (read_volume(case.files[part]).voxels != 0 for part in PARTS[:3])
        assert lesion.any() and not (lesion & background).any()
        assert structure.any() and not (structure & background).any()


def test_the_same_seed_gives_the_same_files_and_more_cases_begin_with_the_same(made, package, tmp_path):
    generate(package, tmp_path / "again", 3, slices=2, seed=5, filtered=False, device="cpu")
    assert digests(tmp_path / "again") == digests(made)
    generate(package, tmp_path / "fewer", 1, slices=2, seed=5, filtered=False, device="cpu")
    assert digests(tmp_path / "fewer" / "case_0001") == digests(made / "case_0001")
    generate(package, tmp_path / "other", 1, slices=2, seed=6, filtered=False, device="cpu")
    assert digests(tmp_path / "other" / "case_0001") != digests(made / "case_0001")


def test_a_run_that_was_stopped_is_completed_without_doing_anything_twice(made, package, tmp_path):
    order = {"slices": 2, "seed": 5, "filtered": False, "device": "cpu"}
    with pytest.raises(Cancelled):
        generate(package, tmp_path / "set", 3, progress=stopped_before(3), **order)
    record = json.loads((tmp_path / "set" / "generation.json").read_text())
    assert record["complete"] is False and not (tmp_path / "set" / "manifest.csv").exists()
    (tmp_path / "set" / "case_0001" / "pet.nii.gz").unlink()
    kept = (tmp_path / "set" / "case_0002" / "ct.nii.gz").stat().st_mtime_ns
    found = generate(package, tmp_path / "set", 3, **order)
    assert (found.made, found.count) == (2, 3)
    assert (tmp_path / "set" / "case_0002" / "ct.nii.gz").stat().st_mtime_ns == kept
    images = {name: digest for name, digest in digests(made).items() if name.startswith("case_")}
    assert {name: digest for name, digest in digests(tmp_path / "set").items() if name.startswith("case_")} == images
    assert generate(package, tmp_path / "set", 3, **order).made == 0
    # The record too is that of a run that was not stopped.
    assert (tmp_path / "set" / "generation.json").read_text() == (made / "generation.json").read_text()


def test_the_record_states_units_licence_attribution_and_memorisation(made):
    record = json.loads((made / "generation.json").read_text())
    assert record["complete"] is True and record["images"]["ct"] == {"modality": "CT", "unit": "HU"}
    assert record["spacing_mm"] == [3.0, 3.0, 4.0] and record["data_licence"]
    check = record["memorisation"]["pet"]
    training, made_here = check["distances"]
    assert (training["count"], made_here["count"]) == (6, 6) and made_here["images"] == "synthetic images"
    assert 0 < made_here["quantile_0"] <= made_here["quantile_50"] and made_here["near"] == len(check["suspects"])
    text = (made / "README.md").read_text()
    assert record["data_licence"] in text and "not for diagnosis" in text and "SUVbw" in text
    assert (made / "overview.png").read_bytes()[:4] == b"\x89PNG"


def test_slices_beside_each_other_are_more_alike_than_cases(package, tmp_path):
    generate(package, tmp_path / "set", 2, slices=3, filtered=False, device="cpu")
    first, other = (
        read_volume(tmp_path / "set" / f"case_000{number}" / "background.nii.gz").voxels for number in (1, 2)
    )
    assert np.mean(first[0] != first[1]) < np.mean(first[0] != other[0])
    assert np.any(first[0] != first[2])


def test_an_nnunet_data_set_is_one(package, tmp_path):
    folder = tmp_path / "Dataset501_Synthetic"
    generate(package, folder, 2, layout="nnunet", filtered=False, device="cpu")
    content = json.loads((folder / "dataset.json").read_text())
    assert content["channel_names"] == {"0": "CT", "1": "pet"} and content["labels"] == {"background": 0, "lesion": 1}
    assert content["numTraining"] == 2 and content["file_ending"] == ".nii.gz"
    names = sorted(path.name for path in (folder / "imagesTr").glob("*.nii.gz"))
    assert names == [f"case_000{case}_000{channel}.nii.gz" for case in (1, 2) for channel in (0, 1)]
    for label in (folder / "labelsTr").glob("*.nii.gz"):
        assert set(np.unique(read_volume(label).voxels)) == {0, 1}


def test_bids_derivatives_have_the_names_of_the_standard(package, tmp_path):
    generate(package, tmp_path / "derivatives", 1, layout="bids", filtered=False, device="cpu")
    names = {
        path.relative_to(tmp_path / "derivatives").as_posix() for path in (tmp_path / "derivatives").rglob("*.nii.gz")
    }
    assert names == {
        "sub-0001/ct/sub-0001_desc-synthetic_ct.nii.gz",
        "sub-0001/pet/sub-0001_desc-synthetic_pet.nii.gz",
        "sub-0001/anat/sub-0001_label-lesion_mask.nii.gz",
        "sub-0001/anat/sub-0001_desc-structure_mask.nii.gz",
        "sub-0001/anat/sub-0001_desc-background_mask.nii.gz",
    }
    assert (
        json.loads((tmp_path / "derivatives" / "dataset_description.json").read_text())["DatasetType"] == "derivative"
    )
    ignored = (tmp_path / "derivatives" / ".bidsignore").read_text().splitlines()
    assert {"manifest.csv", "generation.json", "overview.png", "*/ct/"} == set(ignored)


def test_pictures_show_the_range_that_the_record_states(package, tmp_path):
    generate(package, tmp_path / "png", 1, format="png", filtered=False, device="cpu")
    generate(package, tmp_path / "nifti", 1, filtered=False, device="cpu")
    low, high = json.loads((tmp_path / "png" / "generation.json").read_text())["images"]["ct"]["values_of_0_and_255"]
    grey = read_picture(tmp_path / "png" / "case_0001" / "ct.png").astype(float)
    real = np.clip(read_volume(tmp_path / "nifti" / "case_0001" / "ct.nii.gz").voxels[0], low, high)
    assert np.abs(low + grey / 255 * (high - low) - real).max() <= (high - low) / 255
    lesion = read_picture(tmp_path / "png" / "case_0001" / "lesion.png")
    assert np.array_equal(lesion, read_volume(tmp_path / "nifti" / "case_0001" / "lesion.nii.gz").voxels[0])


def test_cases_from_a_volume_lie_on_its_grid(package, phantoms, tmp_path):
    source = phantoms.parent / "ct0.nii.gz"
    generate(package, tmp_path / "set", 2, source=source, lesion=phantoms.parent / "lesion0.nii.gz", device="cpu")
    given, drawn = read_volume(source), read_volume(phantoms.parent / "lesion0.nii.gz")
    sets = [
        {part: read_volume(tmp_path / "set" / f"case_000{number}" / f"{part}.nii.gz") for part in PARTS}
        for number in (1, 2)
    ]
    for volumes in sets:
        for volume in volumes.values():
            assert volume.shape == given.shape and np.array_equal(volume.ijk_to_ras, given.ijk_to_ras)
        assert np.array_equal(volumes["lesion"].voxels, drawn.voxels)
    # The file states no unit.
    assert any("assumed to be HU" in said for said in sets[0]["ct"].metadata["log"])
    # The structure is the same, its filling is not.
    assert np.array_equal(sets[0]["structure"].voxels, sets[1]["structure"].voxels)
    assert not np.array_equal(sets[0]["ct"].voxels, sets[1]["ct"].voxels)


def test_labels_of_other_patients_are_drawn_from(package, phantoms, tmp_path):
    found = generate(package, tmp_path / "set", 1, lesions=phantoms, filtered=False, device="cpu")
    assert found.made == 1 and read_volume(tmp_path / "set" / "case_0001" / "lesion.nii.gz").voxels.any()


def test_a_structure_map_that_is_empty_says_at_which_thresholds(package, phantoms):
    generator, ct = Generator.load(package, "cpu"), read_volume(phantoms.parent / "ct0.nii.gz")
    with pytest.raises(MedSynthError, match=r"structure map is empty \(alpha: 1, beta: 0.05"):
        anatomy_of(generator, ct, preset("extremity-ct").with_values(alpha=1.0))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"count": 0}, "number of cases is 0; choose a whole number from 1"),
        ({"count": -3}, "number of cases is -3"),
        ({"slices": 0}, "slices is 0"),
        ({"seed": -1}, "random seed is -1"),
        ({"format": "png", "slices": 2}, "PNG holds one slice"),
        ({"format": "jpeg"}, "no format 'jpeg'"),
        ({"layout": "dicom"}, "no layout 'dicom'"),
        ({"layout": "bids", "format": "png"}, "BIDS has no pictures"),
        ({"layout": "nnunet"}, "folder such as Dataset501_Synthetic"),
        ({"lesion": "lesion0.nii.gz"}, "belongs to the volume"),
        ({"source": "ct0.nii.gz", "lesion": "outside.nii.gz"}, r"% of the lesion label lies outside the organ"),
        ({"source": "ct0.nii.gz", "lesion": "empty.nii.gz"}, "lesion label is empty"),
        ({"source": "pet0.nii.gz", "unit": "SUVbw"}, "PET in SUVbw, but .* draws from the structure of CT"),
        ({"unit": "HU"}, "unit is that of a given volume"),
        ({"structure": preset("lung-ct")}, "settings of the structure map are those of a given volume"),
    ],
)
def test_orders_that_cannot_be_met_are_refused_before_anything_is_written(package, phantoms, tmp_path, changes, words):
    for file in phantoms.parent.glob("*0.*"):
        shutil.copy(file, tmp_path)
    lesion = read_volume(tmp_path / "lesion0.nii.gz")
    corner = np.zeros_like(lesion.voxels)
    corner[:, :4, :4] = 1
    write_volume(lesion.replace(voxels=corner), tmp_path / "outside.nii.gz")
    write_volume(lesion.replace(voxels=0 * corner), tmp_path / "empty.nii.gz")
    given = {"count": 1, **changes}
    given |= {name: tmp_path / given[name] for name in ("source", "lesion") if name in given}
    count = given.pop("count")
    with pytest.raises(MedSynthError, match=words):
        generate(package, tmp_path / "set", count, device="cpu", **given)
    assert not (tmp_path / "set").exists()


def test_a_folder_with_something_else_is_refused(made, package, tmp_path):
    with pytest.raises(MedSynthError, match="another run in it, with seed 5"):
        generate(package, made, 3, slices=2, seed=6, filtered=False, device="cpu")
    with pytest.raises(MedSynthError, match="another run in it, with count 3"):
        generate(package, made, 4, slices=2, seed=5, filtered=False, device="cpu")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(MedSynthError, match="is not empty"):
        generate(package, tmp_path, 1, device="cpu")
    (made / "generation.json").write_text("{")
    with pytest.raises(MedSynthError, match="cannot be read, so it is not known"):
        generate(package, made, 3, slices=2, seed=5, filtered=False, device="cpu")


def test_other_models_do_not_generate(tmp_path):
    with pytest.raises(MedSynthError, match="'ct-to-pet' does not generate images; choose one"):
        generate("ct-to-pet", tmp_path / "set", 1)


def test_the_manifest_has_a_patient_for_each_case(made):
    rows = list(csv.DictReader((made / "manifest.csv").open()))
    assert [row["case"] for row in rows] == ["case_0001", "case_0002", "case_0003"]
    assert len({row["patient"] for row in rows}) == 3 and {row["split"] for row in rows} == {"train"}
