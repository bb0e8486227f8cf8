"""What cannot become a derived series is refused in a sentence, without leaving files behind."""

from __future__ import annotations

import numpy as np
import pytest
from derived_helpers import GRID, ct_reference, pet_reference, synthetic
from io_helpers import full_disk, let_everybody_in, without_privileges
from pydicom import dcmread

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.derived.series_writing import write_dicom
from medsynth_core.io.reading import read_volume

SHEARED = GRID @ np.array([[1, 0, 0.8, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
FAR_AWAY = np.diag([1.0, 1, 1, 1]) @ np.array([[1, 0, 0, 500], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]) @ GRID
NOT_A_NUMBER = np.full((3, 4, 5), np.nan, np.float32)


@pytest.fixture
def ct(tmp_path):
    return ct_reference(tmp_path / "ct")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"modality": ""}, "modality of the volume is unknown"),
        ({"modality": "US"}, "modality of the volume is US"),
        ({"unit": ""}, "unit of the volume is unknown, but PT is written to DICOM in SUVbw"),
        ({"unit": "Bq/mL"}, "unit of the volume is Bq/mL, but PT"),
        ({"modality": "CT"}, "unit of the volume is SUVbw, but CT is written to DICOM in HU"),
        ({"ijk_to_ras": SHEARED}, "axes of the volume are not perpendicular"),
        ({"ijk_to_ras": FAR_AWAY}, "does not overlap with the series 'test series'"),
        ({"voxels": NOT_A_NUMBER}, "voxels that are not finite"),
        ({"modality": "CT", "unit": "HU", "voxels": np.full((3, 4, 5), 1e6)}, "are not Hounsfield units"),
        ({"metadata": {"source": {"FrameOfReferenceUID": "1.9"}}}, "another frame of reference than the series"),
    ],
)
def test_volumes_that_cannot_be_written(tmp_path, ct, changes, words):
    with pytest.raises(MedSynthError, match=words):
        write_dicom(synthetic(**changes), tmp_path / "out", ct)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct"]


@pytest.mark.parametrize("degrees", [0, 10])
def test_a_volume_moved_after_synthesis_is_refused(tmp_path, ct, degrees):
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(a := np.radians(degrees)), -np.sin(a)], [np.sin(a), np.cos(a)]]
    turn[:3, 3] = (1, 0, 2)
    grid = read_volume(ct).ijk_to_ras
    with pytest.raises(MedSynthError, match="was moved since"):
        write_dicom(synthetic(ijk_to_ras=turn @ grid), tmp_path / "out", ct)
    # Another order of axes and what files round are no motion; neither is a part of the grid.
    flipped = grid @ np.array([[-1, 0, 0, 4], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    for number, kept in enumerate((flipped, grid + np.diag([1e-4, 1e-4, 1e-4, 0]))):
        write_dicom(synthetic(ijk_to_ras=kept), tmp_path / f"out{number}", ct)
    part = grid @ np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1.0]])
    write_dicom(synthetic(voxels=np.ones((2, 3, 4), np.float32), ijk_to_ras=part), tmp_path / "part", ct)


def test_references_that_cannot_be_used(tmp_path):
    with pytest.raises(MedSynthError, match="cannot be read: No such file"):
        write_dicom(synthetic(), tmp_path / "out", tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MedSynthError, match="contains no DICOM images"):
        write_dicom(synthetic(), tmp_path / "out", tmp_path / "empty")
    ct_reference(tmp_path / "two" / "ct")
    pet_reference(tmp_path / "two" / "pet")
    with pytest.raises(MedSynthError, match="contains 2 series"):
        write_dicom(synthetic(), tmp_path / "out", tmp_path / "two")
    for path in ct_reference(tmp_path / "orphan").iterdir():
        dataset = dcmread(path)
        del dataset.StudyInstanceUID
        dataset.save_as(path)
    with pytest.raises(MedSynthError, match="does not state its study"):
        write_dicom(synthetic(), tmp_path / "out", tmp_path / "orphan")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, ct):
    for place in (tmp_path / "full", tmp_path / "note.txt"):
        (tmp_path / "full").mkdir(exist_ok=True)
        note = place / "note.txt" if place.is_dir() else place
        (tmp_path / "full" / "note.txt").write_text("mine")
        note.write_text("mine")
        with pytest.raises(MedSynthError, match="is not empty|is a file") as refusal:
            write_dicom(synthetic(), place, ct)
        assert refusal.value.kind == "output"
        assert note.read_text() == "mine"
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["note.txt"]


def test_an_empty_folder_or_a_new_nested_folder_is_accepted(tmp_path, ct):
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "new" / "one"):
        assert write_dicom(synthetic(), place, ct) == place
        assert [path.name for path in sorted(place.iterdir())] == ["0001.dcm", "0002.dcm", "0003.dcm"]
        assert read_volume(place).same_grid(synthetic())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct", "empty", "new"]


def test_a_full_disk_leaves_nothing(tmp_path, ct):
    large = synthetic(shape=(3, 100, 110))
    with full_disk(), pytest.raises(MedSynthError, match="out cannot be written: File too large"):
        write_dicom(large, tmp_path / "out", ct)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct"]


def test_a_place_without_write_permission_is_reported(tmp_path, ct):
    let_everybody_in(tmp_path)
    tmp_path.chmod(0o755)
    with without_privileges(), pytest.raises(MedSynthError, match="cannot be written: Permission denied"):
        write_dicom(synthetic(), tmp_path / "out", ct)
    assert not (tmp_path / "out").exists()
