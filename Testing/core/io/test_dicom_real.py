"""Real DICOM of the development data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from io_helpers import unzip
from pydicom import dcmread

from medsynth_core.errors import MedSynthError
from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import write_volume
from medsynth_core.volume import Volume


@pytest.fixture(scope="module")
def patient(shared_data, tmp_path_factory) -> Path:
    return unzip(shared_data / "sts-dicom" / "STS_008.zip", tmp_path_factory.mktemp("STS_008"))


def edge_case(shared_data: Path, tmp_path: Path, name: str) -> Path:
    return unzip(shared_data / "dicom-edge" / "dicom2nifti" / f"{name}.zip", tmp_path)


def itk_series(folder: Path) -> Volume:
    return Volume.from_sitk(sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))))


@pytest.mark.parametrize(
    ("modality", "unit", "folder", "file", "tolerance"),
    [("CT", "HU", "CT", "ct", 0), ("PT", "SUVbw", "PET", "pet", 1e-5)],
)
def test_a_patient_as_dicom_and_as_nifti(shared_data, patient, modality, unit, folder, file, tolerance):
    volume = read_volume(patient, modality=modality)
    nifti = read_volume(shared_data / "sts" / "STS_008" / f"{file}.nii.gz", modality, unit)
    assert (volume.modality, volume.unit) == (modality, unit)
    assert volume.same_grid(nifti, tolerance=0.1)
    assert np.abs(volume.voxels - nifti.voxels.astype(np.float64)).max() <= tolerance
    assert read_volume(patient / folder / "image").unit == unit


@pytest.mark.parametrize("folder", ["CT", "PET", "MR_T1"])
def test_itk_reads_the_same(patient, folder):
    ours, itk = read_volume(patient / folder), itk_series(patient / folder / "image")
    assert ours.same_grid(itk, tolerance=1e-3)
    assert np.allclose(ours.voxels, itk.voxels, rtol=1e-6, atol=0)


def test_three_modalities_in_a_folder_are_listed(patient):
    with pytest.raises(MedSynthError, match="contains 3 series: .*CT, 51 slices.*MR, 28 slices.*PT, 51 slices"):
        read_volume(patient)


def test_no_name_or_identifier_of_the_patient_is_kept(patient):
    metadata = str(read_volume(patient, modality="CT").metadata)
    header = dcmread(next((patient / "CT" / "image").iterdir()), stop_before_pixels=True)
    for secret in (str(header.PatientBirthDate), str(header.get("InstitutionName", ""))):
        assert not secret or secret not in metadata
    assert "Patient" not in metadata


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_dicom_geometry_survives_in_a_file_bit_by_bit(patient, tmp_path, suffix):
    volume = read_volume(patient / "CT")
    read = read_volume(write_volume(volume, tmp_path / f"ct{suffix}"))
    assert np.array_equal(read.ijk_to_ras, volume.ijk_to_ras)
    assert np.array_equal(read.voxels, volume.voxels)


def test_a_whole_body_pet_stitched_from_bed_positions(shared_data, tmp_path):
    archive = shared_data / "pet-wb-dicom" / "STS_001_FDG_PET_GE_DiscoveryST_BQML.zip"
    folder = unzip(archive, tmp_path)
    volume = read_volume(folder, unit="Bq/mL")
    assert (volume.modality, volume.unit, volume.shape) == ("PT", "Bq/mL", (267, 128, 128))
    header = dcmread(next((folder / "image").iterdir()))
    height = float(header.ImagePositionPatient[2])
    k = round(float((np.linalg.inv(volume.ijk_to_ras) @ [0, 0, height, 1])[2]))
    assert np.allclose(volume.voxels[k], header.pixel_array * float(header.RescaleSlope), rtol=1e-6)


def test_the_shear_of_a_real_tilted_gantry_is_kept(shared_data, tmp_path):
    volume = read_volume(edge_case(shared_data, tmp_path, "gantrytilting"))
    row, column, step = volume.ijk_to_ras[:3, :3].T
    tilt = 90 - np.degrees(np.arccos(column @ step / np.linalg.norm(column) / np.linalg.norm(step)))
    assert abs(tilt) == pytest.approx(14, abs=0.01)
    assert np.allclose(step, [0, 0, 5])
    with pytest.raises(MedSynthError, match="not perpendicular"):
        write_volume(volume, tmp_path / "ct.nii.gz")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sliceincrement", r"1 slice\(s\) .* missing, the first ones between slices 3 and 4 \(10\.00 mm"),
        ("sliceorientation", "have 2 different orientations"),
    ],
)
def test_real_series_that_are_no_volume(shared_data, tmp_path, name, words):
    with pytest.raises(MedSynthError, match=words):
        read_volume(edge_case(shared_data, tmp_path, name))


@pytest.mark.parametrize("name", ["philips_enhanced_mr", "siemens_multiframe_mr"])
def test_real_enhanced_instances(shared_data, tmp_path, name):
    folder = edge_case(shared_data, tmp_path, name)
    volume, dataset = read_volume(folder), dcmread(next(folder.iterdir()))
    assert volume.shape == (8, 256, 256)
    groups = dataset.PerFrameFunctionalGroupsSequence
    for number, group in enumerate(groups):
        left, posterior, superior = map(float, group.PlanePositionSequence[0].ImagePositionPatient)
        i, j, k = (np.linalg.inv(volume.ijk_to_ras) @ [-left, -posterior, superior, 1])[:3]
        assert np.allclose([i, j, k], [0, 0, round(k)], atol=0.01)
        scale = group.get("PixelValueTransformationSequence")
        slope = float(scale[0].RescaleSlope) if scale else 1.0
        assert np.allclose(volume.voxels[round(k)], dataset.pixel_array[number] * slope, rtol=1e-6)


def test_four_compressions_of_one_series_are_one_volume(shared_data, tmp_path, capfd):
    names = ("compressed_rle", "compressed_jpeg", "compressed_jpegls", "compressed_j2k")
    first, *others = (read_volume(edge_case(shared_data, tmp_path / name, name)) for name in names)
    assert first.shape == (4, 256, 256)
    assert first.voxels.max() == 254
    for other in others:
        assert np.array_equal(other.voxels, first.voxels)
        assert np.array_equal(other.ijk_to_ras, first.ijk_to_ras)
    assert capfd.readouterr() == ("", "")


def test_nine_files_in_seven_transfer_syntaxes_hold_the_same_slice(shared_data, tmp_path):
    folder = unzip(shared_data / "dicom-edge" / "dcm_qa_ts" / "nine_transfer_syntaxes_mr.zip", tmp_path / "all")
    with pytest.raises(MedSynthError, match="is a mosaic"):
        read_volume(folder)
    slices = []
    for number, path in enumerate(sorted(folder.iterdir())):
        dataset = dcmread(path)
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
        (tmp_path / f"{number}").mkdir()
        dataset.save_as(tmp_path / f"{number}" / path.name)
        slices.append(read_volume(tmp_path / f"{number}").voxels)
    assert len(slices) == 9
    assert slices[0].max() == 2362
    assert all(np.array_equal(other, slices[0]) for other in slices)


def test_single_pet_slices_of_a_scanner_without_a_name(shared_data):
    volume = read_volume(shared_data / "dicom-edge" / "suyashkumar" / "2.dcm")
    assert (volume.shape, volume.modality, volume.unit) == ((1, 168, 168), "PT", "SUVbw")
    assert volume.spacing[2] == 3.0


def test_a_screenshot_is_no_volume(shared_data):
    with pytest.raises(MedSynthError, match="no CT, PET or MR images"):
        read_volume(shared_data / "dicom-edge" / "suyashkumar" / "6.dcm")
