"""Figures of several models beside CT and the real volume: panels, positions and scales."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import phantom_ct, phantom_pet
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from skimage.io import imread

from medsynth_core.errors import MedSynthError
from medsynth_core.experiments.figures.model_comparison import Region, draw_comparison, write_comparison
from medsynth_core.experiments.figures.mr_figure import MRCase, draw_mr_figure, write_mr_figure
from medsynth_core.grid import resample
from medsynth_core.io.reading import read_volume
from medsynth_core.volume import Volume

MATRIX = np.diag([-2.0, -2.0, 3.0, 1.0])


@pytest.fixture(scope="module")
def study() -> tuple[Volume, Volume, Volume]:
    """CT, PET with a hot lesion in slice 4, and the lesion's mask."""
    ct = phantom_ct((8, 80, 90), MATRIX)
    lesion = np.zeros(ct.shape, dtype=np.uint8)
    lesion[3:6, 30:38, 50:58] = 1
    pet = phantom_pet(ct)
    pet = pet.replace(voxels=pet.voxels + 6 * lesion)
    return ct, pet, Volume(lesion, MATRIX)


def panels(figure: Figure) -> list[Axes]:
    """Return the axes with images, row by row from the upper left."""
    shown = [axes for axes in figure.axes if axes.images]
    return sorted(shown, key=lambda axes: (-round(axes.get_position().y0, 4), axes.get_position().x0))


def rows_of(figure: Figure) -> list[list[Axes]]:
    rows: dict[float, list[Axes]] = {}
    for axes in panels(figure):
        rows.setdefault(round(axes.get_position().y0, 4), []).append(axes)
    return list(rows.values())


def picture(axes: Axes) -> np.ndarray:
    return np.asarray(axes.images[0].get_array())


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def results(pet: Volume, count: int) -> dict[str, Volume]:
    return {f"{n} stages": pet.replace(voxels=pet.voxels * (1 - n / 20)) for n in range(1, count + 1)}


def test_models_stand_between_ct_and_real_pet_in_one_window(study: tuple[Volume, Volume, Volume]) -> None:
    ct, pet, lesion = study
    made = results(pet, 3)
    figure = draw_comparison(ct, pet, made, lesion=lesion)
    whole, *magnified = rows_of(figure)
    assert [len(row) for row in (whole, *magnified)] == [5] * len(rows_of(figure))
    assert words(figure)[1:6] == ["CT", "1 stages", "2 stages", "3 stages", "Real PET"]
    expected = [ct.voxels, *(one.voxels for one in made.values()), pet.voxels]
    for axes, voxels in zip(whole, expected, strict=True):
        assert np.array_equal(picture(axes), voxels[4])  # the lesion's middle slice
    limits = {axes.images[0].get_clim() for axes in whole[1:]}
    assert len(limits) == 1
    assert whole[0].images[0].get_clim() == (-160, 240)
    bars = [axes.get_xlabel() for axes in figure.axes if not axes.images]
    assert bars == ["HU", "SUVbw"]


def test_boxes_on_the_images_are_what_is_magnified_below(study: tuple[Volume, Volume, Volume]) -> None:
    ct, pet, lesion = study
    figure = draw_comparison(ct, pet, results(pet, 2), lesion=lesion)
    whole, *magnified = rows_of(figure)
    assert len(magnified) == 2
    for column, axes in enumerate(whole):
        boxes = [patch for patch in axes.patches if patch.get_fill() is False]
        assert len(boxes) == len(magnified)
        for box, row in zip(boxes, magnified, strict=True):
            left, top = (round(value + 0.5) for value in box.get_xy())
            right, bottom = left + round(box.get_width()), top + round(box.get_height())
            assert np.array_equal(picture(row[column]), picture(axes)[top:bottom, left:right])
            assert to_hex(box.get_edgecolor()) == to_hex(row[column].spines["left"].get_edgecolor())
    # The first region holds the whole lesion.
    assert (picture(magnified[0][-1]) > 5).sum() == (pet.voxels[4] > 5).sum() > 0


def test_the_second_region_is_where_the_models_err_most(study: tuple[Volume, Volume, Volume]) -> None:
    ct, pet, lesion = study
    wrong = pet.voxels.copy()
    wrong[:, 62:68, 20:26] += 2
    figure = draw_comparison(ct, pet, {"wrong": pet.replace(voxels=wrong)}, lesion=lesion)
    difference = picture(rows_of(figure)[2][1]) - picture(rows_of(figure)[2][2])
    assert (difference > 1.9).sum() == 36
    # Nothing to see but the lesion where the models are right.
    assert len(rows_of(draw_comparison(ct, pet, {"right": pet}, lesion=lesion))) == 2


def test_chosen_regions_are_shown_in_their_place_and_size(study: tuple[Volume, Volume, Volume]) -> None:
    ct, pet, _ = study
    # Voxel (k 2, j 40, i 20) is at RAS (-40, -80, 6).
    figure = draw_comparison(ct, pet, results(pet, 1), regions=[Region((-40, -80, 6), 20), Region((-4, -4, 21), 30)])
    whole, first, second = rows_of(figure)
    assert np.array_equal(picture(whole[-1]), pet.voxels[2])
    assert np.array_equal(picture(first[-1]), pet.voxels[2, 35:45, 15:25])
    # Moved to lie in the image.
    assert np.array_equal(picture(second[-1]), pet.voxels[2, :15, :15])
    assert len(rows_of(draw_comparison(ct, pet, results(pet, 1), regions=[]))) == 1
    with pytest.raises(MedSynthError, match="outside the CT"):
        draw_comparison(ct, pet, results(pet, 1), regions=[Region((500, 0, 0))])


@pytest.mark.slow
def test_many_models_take_several_rows_each_with_ct_and_real_pet(study: tuple[Volume, Volume, Volume]) -> None:
    ct, pet, lesion = study
    made = results(pet, 9)
    figure = draw_comparison(ct, pet, made, lesion=lesion)
    rows = rows_of(figure)
    blocks = rows[:: len(rows) // 3]
    assert [len(row) for row in blocks] == [5, 5, 5]
    shown = [picture(axes) for row in blocks for axes in row[1:-1]]
    assert all(np.array_equal(a, b.voxels[4]) for a, b in zip(shown, made.values(), strict=True))
    for row in blocks:
        assert np.array_equal(picture(row[0]), ct.voxels[4])
        assert np.array_equal(picture(row[-1]), pet.voxels[4])
    assert {name: words(figure).count(name) for name in ("CT", "Real PET", "9 stages")} == {
        "CT": 3,
        "Real PET": 3,
        "9 stages": 1,
    }
    # Nothing overlaps, titles included.
    figure.canvas.draw()
    boxes = [axes.get_window_extent() for axes in panels(figure)]
    titles = [text.get_window_extent() for text in figure.texts if text.get_text() in made]
    assert len(titles) == 9
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])
    assert not any(title.overlaps(box) for title in titles for box in boxes)


@pytest.mark.slow
def test_other_grids_are_brought_onto_that_of_the_ct(study: tuple[Volume, Volume, Volume], tmp_path: Path) -> None:
    ct, pet, lesion = study
    coarse = Volume(np.zeros((8, 40, 45), dtype=np.float32), np.diag([-4.0, -4.0, 3.0, 1.0]))
    other = resample(pet, coarse)
    figure = draw_comparison(ct, other, {"a": pet}, lesion=resample(lesion, coarse, order="nearest"))
    whole = rows_of(figure)[0]
    assert picture(whole[-1]).shape == (80, 90)
    assert np.array_equal(picture(whole[-1]), resample(other, ct).voxels[4])
    path = write_comparison(ct, other, {"a": pet}, tmp_path / "comparison.png")
    image = imread(path)[..., :3].astype(int)
    assert image.shape[1] == 2000
    blue = (np.abs(image - [0, 114, 178]) < 12).all(axis=-1)
    assert blue.sum() > 2000


def test_what_cannot_be_compared_is_refused(study: tuple[Volume, Volume, Volume], tmp_path: Path) -> None:
    ct, pet, lesion = study
    with pytest.raises(MedSynthError, match="no result"):
        write_comparison(ct, pet, {}, tmp_path / "c.png")
    with pytest.raises(MedSynthError, match="'a' is in Bq/mL but the real one is in SUVbw"):
        write_comparison(ct, pet, {"a": pet.replace(unit="Bq/mL")}, tmp_path / "c.png")
    empty = lesion.replace(voxels=np.zeros_like(lesion.voxels))
    with pytest.raises(MedSynthError, match="lesion marks no voxel"):
        write_comparison(ct, pet, {"a": pet}, tmp_path / "c.png", lesion=empty)
    far = MATRIX.copy()
    far[:3, 3] = 5000
    with pytest.raises(MedSynthError, match="do not overlap"):
        write_comparison(ct, pet, {"a": pet.replace(ijk_to_ras=far)}, tmp_path / "c.png")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def mr_case(sample_case: Path) -> MRCase:
    ct = read_volume(sample_case / "ct.nii.gz", modality="CT", unit="HU")
    mr = read_volume(sample_case / "mr_t1.nii.gz", modality="MR")
    made = mr.voxels.astype(float)
    made[:, :, :40] *= 0.8
    return MRCase(ct, mr, mr.replace(voxels=made))


def test_each_case_is_a_row_of_ct_real_and_synthetic_mr_and_difference(mr_case: MRCase) -> None:
    right = MRCase(mr_case.ct, mr_case.reference, mr_case.reference)
    figure = draw_mr_figure({"STS_012": mr_case, "perfect": right})
    first, second = rows_of(figure)
    assert [len(first), len(second)] == [4, 4]
    assert words(figure)[1:5] == ["CT", "Real MRI", "Synthetic MRI", "Synthetic − real"]
    assert words(figure)[5:7] == ["STS_012", "Perfect"]
    ct, real, made, difference = (picture(axes) for axes in first)
    grey = mr_case.reference.voxels * (255 / mr_case.reference.voxels.max())
    assert any(np.allclose(real, one) for one in (grey[26], grey[26][::-1], grey[26][:, ::-1], grey[26][::-1, ::-1]))
    assert np.allclose(difference, made - real)
    assert difference.min() < -20
    assert difference.max() == 0
    assert not picture(second[3]).any()
    assert ct.shape == real.shape
    assert ct.min() >= -1000
    assert ct.max() > 300


def test_mr_panels_share_scales_and_the_difference_has_one_of_its_own(mr_case: MRCase) -> None:
    figure = draw_mr_figure({"a": mr_case, "b": mr_case})
    for ct, real, made, difference in rows_of(figure):
        assert ct.images[0].get_clim() == (-160, 240)
        assert real.images[0].get_clim() == made.images[0].get_clim() == (0, 255)
        low, high = difference.images[0].get_clim()
        assert low == -high < 0
        assert difference.images[0].get_cmap().name == "RdBu_r"
    bars = [axes.get_xlabel() for axes in figure.axes if not axes.images]
    assert bars == ["HU", "grey levels", "grey levels"]


def test_the_mr_figure_is_written_whole_or_not_at_all(mr_case: MRCase, tmp_path: Path) -> None:
    image = imread(write_mr_figure({"a": mr_case}, tmp_path / "mr.png"))[..., :3].astype(int)
    assert image.shape[1] == 2000
    difference = image[140:, 1530:1970]
    assert (difference[..., 2] - difference[..., 0] > 60).sum() > 500  # blue: the synthetic MR shows less
    with pytest.raises(MedSynthError, match="no case"):
        write_mr_figure({}, tmp_path / "none.png")
    with pytest.raises(MedSynthError, match="is for MR"):
        write_mr_figure({"a": MRCase(mr_case.ct, mr_case.ct, mr_case.ct)}, tmp_path / "none.png")
    assert [path.name for path in tmp_path.iterdir()] == ["mr.png"]
