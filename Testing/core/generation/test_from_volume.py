"""Lesions that a user has drawn, in the values of the training and without their own edges."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth_core import read_volume
from medsynth_core.errors import MedSynthError
from medsynth_core.generation.anatomy import axial_grid
from medsynth_core.generation.from_volume import anatomy_of, label_on
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.labels import known_label
from medsynth_core.volume import Volume


def test_with_several_kinds_of_lesions_the_values_say_which():
    grid = axial_grid((1, 12, 12), (1.0, 1.0, 1.0))
    label = np.zeros(grid.shape, np.int16)
    label[0, 4:6, 4:6], label[0, 7, 7] = 2, 1
    lesion = Volume(label, grid.ijk_to_ras)
    assert np.array_equal(label_on(grid, lesion, kinds=2), label)
    assert np.array_equal(label_on(grid, lesion), label != 0)
    label[0, 7, 7] = 300
    with pytest.raises(MedSynthError, match="has the value 300, but the model knows 1 to 2; change the label"):
        label_on(grid, lesion, kinds=2)


@pytest.mark.slow
def test_the_edges_of_a_lesion_are_left_out_as_in_the_training(package, phantoms):
    generator, ct = Generator.load(package, "cpu"), read_volume(phantoms.parent / "ct0.nii.gz")
    label = np.zeros(ct.shape, np.uint8)
    label[:, 26:38, 26:38] = 1
    bright = ct.voxels.copy()
    bright[label != 0] = 250
    with_edges = anatomy_of(generator, ct.replace(voxels=bright))
    without = anatomy_of(generator, ct.replace(voxels=bright), lesion=ct.replace(voxels=label, modality="", unit=""))
    rim = (slice(None), slice(24, 40), slice(24, 40))
    assert with_edges.lines[rim].sum() > without.lines[rim].sum()
    assert np.array_equal(without.label, label)


def test_an_image_is_not_taken_for_a_mask():
    image = np.arange(400).reshape(1, 20, 20)
    with pytest.raises(MedSynthError, match="has 400 different values, like an image; choose the mask"):
        known_label(image, 1)
    assert known_label(np.array([[0, 300, 7]]), 1).tolist() == [[0, 1, 1]]
