"""Lesions that a user has drawn, in the values of the training."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth_core.errors import MedSynthError
from medsynth_core.generation.anatomy import Anatomy, axial_grid
from medsynth_core.generation.from_volume import with_own_lesion
from medsynth_core.volume import Volume


def test_with_several_kinds_of_lesions_the_values_say_which():
    grid = axial_grid((1, 12, 12), (1.0, 1.0, 1.0))
    organ = np.ones(grid.shape, bool)
    anatomy = Anatomy(organ, organ, np.zeros(grid.shape, np.uint8), grid)
    label = np.zeros(grid.shape, np.int16)
    label[0, 4:6, 4:6], label[0, 7, 7] = 2, 1
    lesion = Volume(label, grid.ijk_to_ras)
    assert np.array_equal(with_own_lesion(anatomy, lesion, classes=2).label, label)
    assert np.array_equal(with_own_lesion(anatomy, lesion).label, label != 0)
    label[0, 7, 7] = 300
    with pytest.raises(MedSynthError, match="has the value 300, but the model knows 1 to 2; change the label"):
        with_own_lesion(anatomy, lesion, classes=2)
