"""A map of the errors of a synthetic image is told from the image, in every format, and never taken for a PET."""

from __future__ import annotations

import json

import numpy as np
import pytest
from derived_helpers import ct_reference, findings, headers, pet_reference, synthetic

from medsynth_core.datasets.dicom_studies import cases_from_dicom
from medsynth_core.datasets.image_checks import check_image
from medsynth_core.datasets.volumes import case_from_volumes
from medsynth_core.errors import MedSynthError
from medsynth_core.inference.synthesis import synthesize
from medsynth_core.io.dicom.derived.series_writing import write_dicom
from medsynth_core.io.dicom.loaded_pet import read_pet_in_suv
from medsynth_core.io.dicom.suv_file import write_suv
from medsynth_core.io.reading import read_volume
from medsynth_core.io.sidecar import sidecar_path
from medsynth_core.io.writing import write_labelled
from medsynth_core.simulation.dose import simulate_dose
from medsynth_core.systems.data_needs import Role


def error_map(modality="PT", unit="SUVbw"):
    volume = synthetic(modality, unit)
    facts = {"error_map": True, "medsynth_version": "1", "description": "error map of synthetic PT"}
    return volume.replace(metadata={**volume.metadata, **facts})


@pytest.mark.parametrize(("modality", "unit"), [("PT", "SUVbw"), ("CT", "HU"), ("MR", "")])
@pytest.mark.parametrize("description", ["", "my series"])
def test_a_series_of_errors_says_so_in_every_tag_that_a_reader_shows(tmp_path, modality, unit, description):
    reference = pet_reference(tmp_path / "pet")
    options = {"series_description": description}
    image = headers(write_dicom(synthetic(modality, unit), tmp_path / "image", reference, **options))[0]
    errors = headers(write_dicom(error_map(modality, unit), tmp_path / "errors", reference, **options))[0]
    assert errors.SeriesDescription.startswith("SYNTHETIC - not for diagnosis: ERROR MAP of ")
    assert errors.DerivationDescription.startswith("Errors, not an image of the patient: error map of synthetic ")
    assert errors.ImageComments.startswith("SYNTHETIC - not for diagnosis: ERROR MAP. ")
    assert errors.ImageType[2] == "ERROR_MAP" and list(errors.ImageType[:2]) == list(image.ImageType[:2])
    assert "ERROR" not in str(image.ImageType) + image.SeriesDescription + image.ImageComments
    assert errors.SeriesNumber == image.SeriesNumber + 50
    assert findings(tmp_path / "errors" / "0001.dcm") == []


@pytest.mark.parametrize("drop", ["", "SeriesDescription", "ImageType"])
def test_one_mark_is_enough(tmp_path, drop):
    folder = write_dicom(error_map(), tmp_path / "errors", ct_reference(tmp_path / "ct"))
    for path, header in zip(sorted(folder.iterdir()), headers(folder), strict=True):
        if drop:
            setattr(header, drop, ["DERIVED", "PRIMARY"] if drop == "ImageType" else "renamed")
        header.save_as(path)
    volume = read_volume(folder)
    assert volume.is_error_map and volume.is_synthetic


def error_maps(tmp_path):
    """Yield the ways in which a map of errors may be given to a command: DICOM, and image files of all formats."""
    folder = write_dicom(error_map(), tmp_path / "errors", ct_reference(tmp_path / "ct"))
    yield folder
    for name in ("of_model.nii.gz", "of_model.nrrd", "of_model.mha"):
        (tmp_path / name.split(".", 1)[1]).mkdir()
        yield write_labelled(error_map(), tmp_path / name.split(".", 1)[1] / name)
        (tmp_path / f"back_{name.split('.', 1)[1]}").mkdir()
        # DICOM → image file.
        yield write_labelled(
            read_volume(folder).replace(metadata={**read_volume(folder).metadata, "medsynth_version": "1"}),
            tmp_path / f"back_{name.split('.', 1)[1]}" / name,
        )


def test_it_is_refused_as_input_of_a_model_and_as_pet(tmp_path):
    for place in error_maps(tmp_path):
        volume = read_volume(place)
        assert volume.is_error_map, place
        with pytest.raises(MedSynthError, match="shows the errors of a synthetic image, not the patient"):
            synthesize(volume, "low-dose-pet")
        with pytest.raises(MedSynthError, match="shows the errors .* cannot be used as a PET"):
            simulate_dose(volume, [10.0])
        with pytest.raises(MedSynthError, match="cannot be used as 'pet' of a case"):
            case_from_volumes({"pet": volume}, tmp_path, "P1")
        assert "shows the errors" in check_image(place, Role("pet", "PT", "SUVbw")).refused[0]


def test_training_refuses_it_as_input_and_as_target(tmp_path):
    from builders import tiny_recipe, write_manifest

    from medsynth_core import train
    from medsynth_core.datasets.manifest import read_manifest

    manifest = write_manifest(tmp_path)
    (first, *_) = read_manifest(manifest, ("ct", "pet"))
    volume = read_volume(first.files["pet"], modality="PT", unit="SUVbw")
    sidecar_path(first.files["pet"]).unlink(missing_ok=True)
    write_labelled(volume.replace(metadata={"medsynth_version": "1", "error_map": True}), first.files["pet"])
    with pytest.raises(MedSynthError, match="shows the errors of a synthetic image, .* cannot be used as 'pet'"):
        train(tiny_recipe(), manifest, tmp_path / "run", device="cpu")


def test_a_series_of_errors_is_not_converted_to_suv(tmp_path):
    folder = write_dicom(error_map(), tmp_path / "errors", pet_reference(tmp_path / "pet"))
    with pytest.raises(MedSynthError, match="cannot be used as a PET"):
        write_suv(folder, tmp_path / "suv.nii.gz")
    with pytest.raises(MedSynthError, match="The series shows the errors"):
        read_pet_in_suv(sorted(folder.iterdir()))
    assert not (tmp_path / "suv.nii.gz").exists()


def test_it_never_becomes_the_pet_of_a_case(tmp_path):
    ct_reference(tmp_path / "study" / "ct")
    write_dicom(error_map(), tmp_path / "study" / "errors", tmp_path / "study" / "ct")
    with pytest.raises(MedSynthError, match="no usable DICOM study"):
        cases_from_dicom(tmp_path / "study", {"ct": "CT", "pet": "PT"}, tmp_path / "out")


def test_beside_its_image_the_image_is_read(tmp_path):
    reference = ct_reference(tmp_path / "ct")
    write_dicom(error_map(), tmp_path / "both" / "a", reference)
    write_dicom(synthetic(), tmp_path / "both" / "b", reference)
    volume = read_volume(tmp_path / "both")
    assert not volume.is_error_map and np.allclose(volume.voxels, synthetic().voxels, rtol=1e-3)


def test_maps_of_earlier_versions_are_known_by_their_description(tmp_path):
    file = write_labelled(error_map(), tmp_path / "error.nii.gz")
    facts = json.loads(sidecar_path(file).read_text())
    del facts["error_map"]
    facts["description"] = "expected error of synthetic PT, SUVbw, ct-to-pet, not for diagnosis"
    sidecar_path(file).write_text(json.dumps(facts))
    assert read_volume(file).is_error_map


def test_series_of_earlier_versions_are_still_known_as_synthetic(tmp_path):
    """They had the image type DERIVED, SECONDARY."""
    folder = write_dicom(synthetic(), tmp_path / "old", ct_reference(tmp_path / "ct"))
    for path, header in zip(sorted(folder.iterdir()), headers(folder), strict=True):
        header.ImageType = ["DERIVED", "SECONDARY"]
        header.save_as(path)
    volume = read_volume(folder)
    assert volume.is_synthetic and not volume.is_error_map
