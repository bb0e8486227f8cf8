"""Structure maps of multi-contrast brains: which slice, which pictures, and no line of the lesion."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from medsynth_core import Volume, write_volume
from medsynth_core.experiments.structure_generation.brains import BRAINS, brain_pictures, write_brains
from medsynth_core.structure.fusion import NOISE

SLICE, LESION = 4, "lesion.nii.gz"


def write_brain(folder, contrasts=("T1", "FLAIR"), lesion=True):
    """Write a brain with ventricles, of which slice 4 shows most of a lesion, bright in FLAIR."""
    folder.mkdir(parents=True)
    z, y, x = np.mgrid[:9, :60, :64]
    brain = ((y - 30) / 26) ** 2 + ((x - 32) / 22) ** 2 < 1
    ventricle = ((y - 30) / 9) ** 2 + ((x - 32) / 3) ** 2 < 1
    spot = np.hypot(y - 30, x - 44) < 7 - 1.5 * abs(z - SLICE)
    for number, name in enumerate(contrasts):
        values = np.where(brain, 300.0 + 50 * number, 0)
        values[ventricle] = 130
        values[spot] = 600 if name == "FLAIR" else 250
        write_volume(
            Volume(values.astype(np.float32), np.diag([-1.0, -1.0, 2.0, 1.0]), "MR"), folder / f"{name}.nii.gz"
        )
    if lesion:
        label = Volume(spot.astype(np.uint8), np.diag([-1.0, -1.0, 2.0, 1.0]))
        write_volume(label, folder / LESION)
    return folder, spot[SLICE]


def test_the_slice_with_most_of_the_lesion_is_shown_without_its_lines(tmp_path):
    case, spot = write_brain(tmp_path / "case")
    shown = brain_pictures(case, LESION)
    assert list(shown) == ["T1", "FLAIR", "organ", "structure map", "without the lesion", "with noise"]
    assert all(picture.shape == (60, 64) and picture.min() >= 0 and picture.max() <= 1 for picture in shown.values())
    assert np.array_equal(shown["FLAIR"] > 0.9, spot)
    outer = np.hypot(*np.mgrid[-30:30, -44:20]) < 9
    assert shown["structure map"][outer].any() and not shown["without the lesion"][outer].any()
    elsewhere = ~(np.hypot(*np.mgrid[-30:30, -44:20]) < 12)
    assert np.array_equal(shown["structure map"][elsewhere], shown["without the lesion"][elsewhere])
    inside = spot & (shown["organ"] > 0)
    assert ((shown["with noise"][inside] >= NOISE[0]) & (shown["with noise"][inside] <= NOISE[1])).all()


def test_without_a_lesion_the_largest_slice_is_shown(tmp_path):
    case, _ = write_brain(tmp_path / "case", ("T2", "T1c", "FLAIR"), lesion=False)
    assert list(brain_pictures(case)) == ["T2", "T1c", "FLAIR", "organ", "structure map", "with noise"]


def test_the_picture_has_a_row_for_each_brain_that_is_there(tmp_path):
    assert not write_brains(tmp_path, tmp_path / "brains.png") and not (tmp_path / "brains.png").exists()
    heights = []
    for name in ("ms-multimodal-mni", "stroke-multimodal"):
        folder = tmp_path / name / "one" if BRAINS[name] else tmp_path / name
        write_brain(folder, lesion=bool(BRAINS[name]))
        assert write_brains(tmp_path, tmp_path / "brains.png")
        with Image.open(tmp_path / "brains.png") as picture:
            heights.append(picture.size[1])
            assert np.asarray(picture.convert("L")).std() > 20
    assert heights[1] > 1.5 * heights[0]


@pytest.mark.slow
def test_the_real_brains(shared_data, tmp_path):
    for name, lesion in BRAINS.items():
        for flair in (shared_data / name).rglob("FLAIR.nii.gz"):
            shown = brain_pictures(flair.parent, lesion)
            organ, lines = shown["organ"] > 0, shown["structure map"] > 0
            assert 0.2 < organ.mean() < 0.9 and 0.05 < (lines & organ).sum() / organ.sum() < 0.6
            assert not (lines & ~organ).any()
