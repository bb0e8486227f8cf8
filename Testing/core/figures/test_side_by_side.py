"""The side-by-side figure: its size, positions and texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.io import imread

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.report import evaluate
from medsynth_core.figures.captions import lesion_line, metric_line, small_print
from medsynth_core.figures.display import centre_of, oriented, planes, rounded, window_for
from medsynth_core.grid import Grid
from medsynth_core.volume import Volume

Case = tuple[Volume, Volume, Volume]
# Voxel axes to RAS in several orders and directions: axial, coronal, sagittal, left-handed, oblique.
ORIENTATIONS = {
    "axial": [[-1, 0, 0], [0, -1, 0], [0, 0, 1]],
    "axial, upside down": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    "coronal": [[-1, 0, 0], [0, 0, 1], [0, -1, 0]],
    "sagittal": [[0, 0, -1], [-1, 0, 0], [0, -1, 0]],
    "left-handed": [[1, 0, 0], [0, 1, 0], [0, 0, -1]],
    "oblique": [[-0.96, 0.28, 0], [-0.28, -0.96, 0], [0, 0, 1]],
}


def picture(path: Path) -> np.ndarray:
    return imread(path)[..., :3].astype(int)


def orange(image: np.ndarray) -> np.ndarray:
    """Return where the lesion's contour is drawn (bool)."""
    return (np.abs(image - [255, 140, 0]) < 12).all(axis=-1)


@pytest.mark.parametrize("axes", ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_the_patient_is_seen_from_the_feet_and_from_the_front(axes: list[list[float]]) -> None:
    matrix = np.eye(4)
    matrix[:3, :3] = axes
    grid = Grid((20, 20, 20), matrix)
    # A marker to the left, front and head of the middle.
    middle = matrix[:3, :3] @ [9.5, 9.5, 9.5]
    i, j, k = np.rint(np.linalg.inv(matrix[:3, :3]) @ (middle + [-5, 4, 7])).astype(int)
    voxels = np.zeros(grid.shape)
    voxels[k, j, i] = 1
    turned = oriented(voxels, grid)
    axial, coronal = planes(grid.oriented(), centre_of(turned > 0, grid.shape))
    assert (axial.name, axial.sides) == ("axial", ("R", "L", "A", "P"))
    assert (coronal.name, coronal.sides) == ("coronal", ("R", "L", "S", "I"))
    for plane in (axial, coronal):
        (row,), (column,) = np.nonzero(plane.cut(turned))
        assert column > 10
        assert row < 10


def test_a_pixel_has_the_shape_of_the_voxel() -> None:
    grid = Grid((30, 50, 40), np.diag([-1.0, -2.0, 3.0, 1.0])).oriented()
    axial, coronal = planes(grid, (15, 25, 20))
    assert axial.millimetres == (40, 100)
    assert coronal.millimetres == (40, 90)


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ((1, 64, 64), ["axial"]),
        ((64, 1, 64), ["coronal"]),
        ((64, 64, 1), ["sagittal"]),
        ((9, 9, 9), ["axial", "coronal"]),
    ],
)
def test_thin_volumes_show_the_planes_that_they_have(shape: tuple[int, int, int], names: list[str]) -> None:
    grid = Grid(shape, np.diag([-1.0, -1.0, 1.0, 1.0]))
    assert [plane.name for plane in planes(grid, centre_of(None, shape))] == names


def test_the_centre_lies_in_the_lesion_even_where_its_centroid_does_not() -> None:
    two = np.zeros((5, 5, 40), dtype=bool)
    two[2, 2, :4] = two[2, 2, 30:] = True
    assert two[centre_of(two, two.shape)]


@pytest.mark.parametrize(("value", "expected"), [(4.2, 5), (5, 5), (0.13, 0.15), (0, 1), (9.1, 10), (27, 30)])
def test_scales_end_in_numbers_that_read_well(value: float, expected: float) -> None:
    assert rounded(value) == pytest.approx(expected)


def test_pet_is_shown_in_inverted_grey_from_zero_and_ct_as_soft_tissue(case: Case) -> None:
    _, reference, _ = case
    pet = window_for(reference, [reference.voxels])
    assert (pet.colours, pet.low, pet.high, pet.unit) == ("gray_r", 0, 6, "SUVbw")
    ct = window_for(reference.replace(unit="HU", modality="CT"), [reference.voxels])
    assert (ct.colours, ct.low, ct.high, ct.unit) == ("gray", -160, 240, "HU")


def test_a_figure_without_source_has_three_columns(case: Case, tmp_path: Path) -> None:
    synthetic, reference, lesion = case
    path = evaluate(synthetic, reference, lesion=lesion).figure(tmp_path / "report.png")
    image = picture(path)
    # Three panels of 88 mm by 80 and 96 mm, each 3.12 inches wide.
    panel = (10 - 0.36 - 0.12 - 2 * 0.08) / 3
    expected = 0.66 + panel * (80 + 96) / 88 + 2 * 0.08 + 0.55 + 0.16 + 2 * 0.19
    assert image.shape[1] == 2000
    assert image.shape[0] == pytest.approx(expected * 200, abs=1)
    assert [p.name for p in tmp_path.iterdir()] == ["report.png"]


@pytest.mark.slow
def test_source_adds_a_column_even_from_another_grid(case: Case, tmp_path: Path) -> None:
    synthetic, reference, lesion = case
    ct = Volume(np.full((50, 50, 60), 40, dtype=np.int16), np.diag([-1.5, -1.6, 2.0, 1.0]), "CT", "HU")
    report = evaluate(synthetic, reference, lesion=lesion)
    three, four = picture(report.figure(tmp_path / "3.png")), picture(report.figure(tmp_path / "4.png", source=ct))
    assert four.shape[1] == three.shape[1] == 2000
    assert four.shape[0] < three.shape[0]


@pytest.mark.slow
def test_the_contour_is_there_with_a_lesion_only(case: Case, tmp_path: Path) -> None:
    synthetic, reference, lesion = case
    plain = picture(evaluate(synthetic, reference).figure(tmp_path / "plain.png"))
    marked = picture(evaluate(synthetic, reference, lesion=lesion).figure(tmp_path / "marked.png"))
    assert not orange(plain).any()
    # In all six panels.
    for columns in np.array_split(marked[:, 80:1980], 3, axis=1):
        assert orange(columns).sum() > 500


def test_the_difference_is_red_where_the_synthetic_volume_shows_more(case: Case, tmp_path: Path) -> None:
    _, reference, _ = case
    voxels = reference.voxels.copy()
    voxels[:, :, 30:] += 2  # i runs to the patient's left, which is at the right of the picture
    voxels[:, :, :10] -= 2
    image = picture(evaluate(reference.replace(voxels=voxels), reference).figure(tmp_path / "difference.png"))
    third = image[140:700, 1345:1970]
    red, blue = (third[..., a] - third[..., b] > 100 for a, b in ((0, 2), (2, 0)))
    assert np.nonzero(red)[1].mean() > 400
    assert np.nonzero(blue)[1].mean() < 200


def test_the_warning_heads_the_figure_in_red(case: Case, tmp_path: Path) -> None:
    synthetic, reference, _ = case
    head = picture(evaluate(synthetic, reference).figure(tmp_path / "report.png"))[:70]
    assert (np.abs(head - [179, 0, 27]) < 10).all(axis=-1).sum() > 300


def test_words_below_the_figure(case: Case) -> None:
    synthetic, reference, lesion = case
    synthetic = synthetic.replace(metadata={"limits": ["It does not know 50 $ of uptake.", "Thighs only."]})
    report = evaluate(synthetic, reference, lesion=lesion)
    assert report.limits == report.to_dict()["limits"] == ["It does not know 50 $ of uptake.", "Thighs only."]
    assert metric_line(report.metrics, report.settings).startswith("Full frame:  MAE 0.1")
    assert "SUVbw)" in metric_line(report.metrics, report.settings)
    assert "mean −20.0 %" in lesion_line(report.metrics)
    assert small_print([], report.limits, 200) == ["Limits of the model: It does not know 50 $ of uptake. Thighs only."]
    assert lesion_line(evaluate(synthetic, reference).metrics) == ""
    bare = evaluate(synthetic.replace(unit="1"), reference.replace(unit="1"))
    assert metric_line(bare.metrics, bare.settings).startswith("Full frame:  MAE 0.122   RMSE")
    masked = evaluate(synthetic, reference, mask=lesion)
    assert metric_line(masked.metrics, masked.settings).startswith("Within the mask:")


def test_limits_with_any_characters_are_drawn_as_they_are(case: Case, tmp_path: Path) -> None:
    synthetic, reference, _ = case
    noted = synthetic.replace(metadata={"limits": ["costs $5 or \\frac{1}{2} of $x_1"]})
    with_limits = picture(evaluate(noted, reference).figure(tmp_path / "limits.png"))
    without = picture(evaluate(synthetic, reference).figure(tmp_path / "none.png"))
    assert with_limits.shape[0] == without.shape[0] + 25


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 40, 40), (40, 1, 40), (1, 1, 1), (200, 12, 10)])
def test_any_shape_gives_a_figure(shape: tuple[int, int, int], tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).random(shape)
    volumes = [Volume(v, np.diag([-1.0, -1.0, 1.0, 1.0]), "PT", "SUVbw") for v in (voxels * 0.9, voxels)]
    image = picture(evaluate(*volumes).figure(tmp_path / "figure.png"))
    assert image.shape[1] == 2000
    assert image.std() > 1


def test_a_folder_that_is_not_there_is_told_and_nothing_is_left(case: Case, tmp_path: Path) -> None:
    synthetic, reference, _ = case
    with pytest.raises(MedSynthError, match="cannot be written"):
        evaluate(synthetic, reference).figure(tmp_path / "missing" / "report.png")
    assert list(tmp_path.iterdir()) == []


def test_a_source_of_another_place_is_refused(case: Case, tmp_path: Path) -> None:
    synthetic, reference, _ = case
    matrix = np.diag([-1.0, -1.0, 1.0, 1.0])
    matrix[:3, 3] = 900
    far = Volume(np.zeros((5, 5, 5)), matrix, "CT", "HU")
    with pytest.raises(MedSynthError, match="do not overlap"):
        evaluate(synthetic, reference).figure(tmp_path / "report.png", source=far)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_figures_leave_the_state_of_pyplot_alone(case: Case, tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys, numpy as np\n"
        "from medsynth_core.volume import Volume\n"
        "from medsynth_core.evaluation.report import evaluate\n"
        "v = Volume(np.random.default_rng(0).random((8, 9, 10)), np.eye(4), 'PT', 'SUVbw')\n"
        f"evaluate(v, v).figure({str(tmp_path / 'report.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
