"""Round trip on real DICOM: read, marked as synthetic, written as a derived series, and read by three programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from derived_helpers import findings, headers, read_with_itk, read_with_slicer
from io_helpers import unzip
from scipy.ndimage import gaussian_filter

from medsynth_core.inference.synthesis import synthesize
from medsynth_core.io.dicom.derived.series_writing import write_dicom
from medsynth_core.io.dicom.synthetic_mark import is_synthetic
from medsynth_core.io.reading import read_volume
from medsynth_core.volume import Volume


@pytest.fixture(scope="module")
def patient(shared_data, tmp_path_factory) -> Path:
    return unzip(shared_data / "sts-dicom" / "STS_008.zip", tmp_path_factory.mktemp("STS_008"))


def read_everywhere(folder: Path) -> list[Volume]:
    """Return the series by each reader, after checking that all are valid and lie at the same place."""
    for file in sorted(folder.iterdir())[::25]:
        assert findings(file) == []
    ours, *others = (read(folder) for read in (read_volume, read_with_itk, read_with_slicer))
    assert all(other.same_grid(ours) for other in others)
    return [ours, *others]


def assert_same_suv(read: Volume, true: Volume) -> None:
    """Compare SUV: to a thousandth where it is at least 1 % of the greatest of its slice, to 1e-5 of that elsewhere."""
    size, greatest = true.voxels.astype(np.float64), true.voxels.max(axis=(1, 2), keepdims=True)
    error = np.abs(read.voxels - size)
    assert (error <= np.where(size >= 0.01 * greatest, 1e-3 * size, 1e-5 * greatest)).all()


@pytest.mark.slow
def test_a_synthetic_pet_of_a_real_ct(patient, tmp_path):
    ct = read_volume(patient, modality="CT")
    pet = synthesize(ct, "ct-to-pet", device="cpu")
    assert pet.voxels.max() > 1
    written = write_dicom(pet, tmp_path / "out", patient)  # a study of three series: the CT is found
    for read in read_everywhere(written):
        assert read.same_grid(ct)
        assert_same_suv(read, pet)
    assert (read_volume(written).modality, read_volume(written).unit) == ("PT", "SUVbw")
    header = headers(written)[0]
    assert is_synthetic(header) and "ct-to-pet" in header.SeriesDescription
    assert header.SourceImageSequence[0].ReferencedSOPInstanceUID in {
        source.SOPInstanceUID for source in headers(patient / "CT" / "image")
    }


def test_a_pet_made_of_a_real_pet(patient, tmp_path):
    source = read_volume(patient / "PET")
    smooth = source.replace(voxels=gaussian_filter(source.voxels, 1.0))
    written = write_dicom(smooth, tmp_path / "out", patient / "PET")
    for read in read_everywhere(written):
        assert read.same_grid(source)
        assert_same_suv(read, smooth)
    header, original = headers(written)[7], headers(patient / "PET" / "image")[0]
    for keyword in ("RadiopharmaceuticalInformationSequence", "PatientWeight", "DecayCorrection", "Units", "SUVType"):
        assert header[keyword].value == original[keyword].value


@pytest.mark.slow
def test_a_whole_body_pet_in_activity_becomes_one_in_suv(shared_data, tmp_path):
    archive = shared_data / "pet-wb-dicom" / "STS_001_FDG_PET_GE_DiscoveryST_BQML.zip"
    folder = unzip(archive, tmp_path / "source")
    suv = read_volume(folder, unit="SUVbw")
    written = write_dicom(suv, tmp_path / "out", folder)
    for read in read_everywhere(written):
        assert_same_suv(read, suv)
    times = ("FrameReferenceTime", "DecayFactor", "ActualFrameDuration", "AcquisitionTime")
    acquired = headers(folder / "image")
    for header in headers(written):
        height = header.ImagePositionPatient[2]
        source = min(acquired, key=lambda one: abs(one.ImagePositionPatient[2] - height))
        assert [header[keyword].value for keyword in times] == [source[keyword].value for keyword in times]
    assert len({header.FrameReferenceTime for header in acquired}) > 5  # bed positions


@pytest.mark.parametrize("series", ["CT", "MR_T1"])
def test_ct_and_mr_of_real_ones(patient, tmp_path, series):
    source = read_volume(patient / series)
    for read in read_everywhere(write_dicom(source, tmp_path / "out", patient / series)):
        assert read.same_grid(source)
        assert np.array_equal(read.voxels, source.voxels)


@pytest.mark.parametrize("name", ["philips_enhanced_mr", "siemens_multiframe_mr"])
def test_a_series_derived_of_a_multi_frame_object_refers_to_its_frames(shared_data, tmp_path, name):
    folder = unzip(shared_data / "dicom-edge" / "dicom2nifti" / f"{name}.zip", tmp_path / "source")
    source = read_volume(folder)
    written = write_dicom(source.replace(voxels=source.voxels / 7), tmp_path / "out", folder)
    read_everywhere(written)
    frames = [header.SourceImageSequence[0].ReferencedFrameNumber for header in headers(written)]
    assert sorted(frames) == list(range(1, 9))
