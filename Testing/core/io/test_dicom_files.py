"""DICOM without preamble or file meta information is DICOM; other files are not."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_builder import stored_pixels, write_pet, write_series
from io_helpers import noise_volume
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.derived.series_writing import write_dicom
from medsynth_core.io.dicom.series import find_series
from medsynth_core.io.dicom.suv_file import write_suv
from medsynth_core.io.reading import read_volume

SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]


def bare(folder, syntax=ImplicitVRLittleEndian):
    """Rewrite the files of a folder as data sets alone, in a transfer syntax."""
    for path in sorted(folder.iterdir()):
        dataset, plain = dcmread(path), Dataset()
        plain.update(dataset)
        big = syntax == ExplicitVRBigEndian
        if big:
            plain.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        dcmwrite(
            path, plain, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=not big, enforce_file_format=False
        )
        assert path.read_bytes()[128:132] != b"DICM"
    return folder


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_series_without_preamble_is_read_like_one_with_it(tmp_path, syntax, modality):
    write_series(tmp_path, modality=modality)
    whole = read_volume(tmp_path)
    bare(tmp_path, syntax)
    for place in (tmp_path, sorted(tmp_path.iterdir())[1]):
        read = read_volume(place)
        assert np.array_equal(read.voxels, whole.voxels) and read.unit == whole.unit
        assert np.array_equal(read.ijk_to_ras, whole.ijk_to_ras)


def test_pet_without_preamble_gives_suv(tmp_path):
    write_pet(tmp_path / "pet")
    whole = read_volume(tmp_path / "pet", unit="SUVbw")
    bare(tmp_path / "pet")
    write_suv(tmp_path / "pet", tmp_path / "suv.nrrd")
    read = read_volume(tmp_path / "suv.nrrd")
    assert read.unit == "SUVbw" and np.allclose(read.voxels, whole.voxels)


def test_a_derived_series_can_be_written_beside_a_reference_without_preamble(tmp_path):
    write_series(tmp_path / "ct")
    bare(tmp_path / "ct")
    ct = read_volume(tmp_path / "ct")
    facts = {"synthetic": True, "medsynth_version": "1"}
    write_dicom(ct.replace(metadata={**ct.metadata, **facts}), tmp_path / "made", tmp_path / "ct")
    assert np.array_equal(read_volume(tmp_path / "made").voxels, ct.voxels)


NO_DICOM = {
    "notes.txt": b"\x08\x00 is how a text may begin, by chance",
    "zeros.bin": bytes(1000),
    "group.bin": b"\x08\x00\x05\x00\x0a\x00\x00\x00ISO_IR 100" + bytes(200),
    "vr.bin": b"\x02\x00\x00\x00UL\x04\x00" + bytes(300),
    "short": b"\x08\x00",
    "empty": b"",
}


@pytest.mark.parametrize("name", NO_DICOM)
def test_other_files_among_the_slices_are_passed_over(tmp_path, name):
    bare(tmp_path) if write_series(tmp_path, pixels=stored_pixels(3)) else None
    (tmp_path / name).write_bytes(NO_DICOM[name])
    (series,) = find_series(tmp_path)
    assert series.slices == 3


def test_a_slice_truncated_in_its_header_is_not_passed_over(tmp_path):
    path = write_series(tmp_path)[1]
    bare(tmp_path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(MedSynthError, match=path.name):
        read_volume(tmp_path)


@pytest.mark.parametrize("suffix", [".img", ".hdr", ".dcm", ""])
def test_a_slice_is_recognised_by_its_content(tmp_path, suffix):
    paths = write_series(tmp_path)
    bare(tmp_path)
    for path in paths:
        path.rename(path.with_suffix(suffix))
    assert read_volume(paths[0].with_suffix(suffix)).shape[0] == len(paths)


def test_an_image_file_is_no_dicom(tmp_path):
    from medsynth_core.io.dicom.files import is_dicom
    from medsynth_core.io.writing import write_volume

    for suffix in (".nii", ".nii.gz", ".nrrd", ".mha"):
        assert not is_dicom(write_volume(noise_volume(), tmp_path / f"v{suffix}"))
