"""Segmentations of 3D Slicer."""

import numpy as np
import pytest
import SimpleITK as sitk
from builders import axial_matrix

from medsynth_core import Volume, read_volume, write_volume
from medsynth_core.errors import MedSynthError
from medsynth_core.io.segmentation import Segment, write_segmentation

SEGMENTS = (Segment("bone", 1, (1.0, 0.5, 0.0)), Segment("nothing", 2, (0.0, 0.0, 1.0)))


@pytest.fixture
def labels():
    voxels = np.zeros((4, 5, 6), np.uint8)
    voxels[1:3, 2:4, 3] = 1
    return Volume(voxels, axial_matrix(), "", "1", {"medsynth_version": "1.0"})


def test_it_is_a_label_map_that_names_its_segments(labels, tmp_path):
    path = write_segmentation(labels, SEGMENTS, tmp_path / "a.seg.nrrd")
    image = sitk.ReadImage(str(path))
    assert image.GetMetaData("Segment0_Name") == "bone" and image.GetMetaData("Segment0_LabelValue") == "1"
    assert image.GetMetaData("Segment0_Extent") == "3 3 2 3 1 2" and image.GetMetaData("Segment0_Color") == "1 0.5 0"
    assert image.GetMetaData("Segment1_Extent") == "0 5 0 4 0 3"  # of the whole image, because there is none
    assert image.GetMetaData("Segmentation_MasterRepresentation") == "Binary labelmap"
    read = read_volume(path)
    assert np.array_equal(read.voxels, labels.voxels) and read.same_grid(labels)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.seg.json", "a.seg.nrrd"]


def test_the_json_of_an_earlier_image_describes_it_no_longer(labels, tmp_path):
    path = tmp_path / "a.seg.nrrd"
    pet = labels.replace(voxels=labels.voxels.astype(np.float32), modality="PT", unit="SUVbw")
    write_volume(pet, path)
    assert read_volume(path).unit == "SUVbw"
    write_segmentation(labels, SEGMENTS, path)
    assert (read_volume(path).modality, read_volume(path).unit) == ("", "1")


def test_another_suffix_is_refused(labels, tmp_path):
    with pytest.raises(MedSynthError, match=r"name ends with \.seg\.nrrd"):
        write_segmentation(labels, SEGMENTS, tmp_path / "a.nrrd")
