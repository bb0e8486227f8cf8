"""Metrics are measured in the body, where the reference is not 0, or over the full frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medsynth_core.datasets.manifest import Case
from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.regions import body_in
from medsynth_core.evaluation.report import evaluate
from medsynth_core.experiments.scoring.case_scores import read_scored_case
from medsynth_core.grid import Grid, resample_array
from medsynth_core.io.reading import read_volume
from medsynth_core.preparation.body import activity_mask, body_mask
from medsynth_core.volume import Volume

LPS = np.diag([-3.0, -3.0, 3.0, 1.0])


@pytest.fixture(scope="module")
def sample(sample_case: Path) -> dict[str, Volume]:
    """Return the sample's CT, and its PET on the CT's grid."""
    ct = read_volume(sample_case / "ct.nii.gz", modality="CT", unit="HU")
    pet = read_volume(sample_case / "pet.nii.gz", modality="PT", unit="SUVbw")
    moved = resample_array(pet.voxels.astype(np.float32), Grid.of(pet), Grid.of(ct))
    return {"ct": ct, "pet": pet, "synthetic": ct.replace(voxels=moved * 0.8 + 0.05, modality="PT", unit="SUVbw")}


def phantom() -> tuple[Volume, Volume, Volume]:
    """Return a synthetic PET, its reference and the CT: errors of 0.1 in a cylinder, of 3 in the air around it."""
    k, j, i = np.meshgrid(np.arange(24), np.arange(40) - 20, np.arange(40) - 20, indexing="ij")
    body = (j**2 + i**2 < 200) & (k >= 0)
    reference = np.where(body, 1.0, 0.0)
    synthetic = reference + np.where(body, 0.1, 3.0)
    volumes = [Volume(v, LPS, "PT", "SUVbw") for v in (synthetic, reference)]
    return (*volumes, Volume(np.where(body, 40.0, -1000.0), LPS, "CT", "HU"))


def test_the_headline_error_in_the_body_is_the_one_of_the_experiments(
    sample: dict[str, Volume], sample_case: Path
) -> None:
    files = {name: sample_case / f"{name}.nii.gz" for name in ("ct", "pet", "lesion")}
    expected = read_scored_case(Case("sample", "test", files), "pet", "PT", "SUVbw")(sample["synthetic"])
    report = evaluate(sample["synthetic"], sample["pet"], region="body", source=sample["ct"])
    assert report.metrics["mae"] == pytest.approx(expected["mae"], rel=1e-12)
    assert report.settings["region"] == "body" and report.settings["body_from"] == "source CT"
    assert "The body was found in the source CT." in report.settings["notes"]
    assert report.described()["mae"]["region"] == "in the body"
    assert report.described()["ssim_2d_wang11"]["region"] == "full frame"
    assert report.settings["compared_voxels"] == body_mask(sample["ct"].voxels).sum()


def test_without_a_source_the_body_is_that_of_the_reference(sample: dict[str, Volume]) -> None:
    report = evaluate(sample["synthetic"], sample["pet"], region="body")
    assert report.settings["body_from"] == "reference PET"
    moved = resample_array(sample["pet"].voxels.astype(np.float32), Grid.of(sample["pet"]), Grid.of(sample["ct"]))
    body = activity_mask(moved, Grid.of(sample["ct"]).spacing, 0)
    expected = np.abs(sample["synthetic"].voxels.astype(float) - moved)[body].mean()
    assert report.metrics["mae"] == pytest.approx(expected)
    ct = sample["ct"]
    noisy = ct.replace(voxels=ct.voxels + 10.0)
    in_ct = evaluate(noisy, ct, region="body")
    assert in_ct.settings["body_from"] == "reference CT"
    assert in_ct.settings["compared_voxels"] == body_mask(ct.voxels).sum()


def test_errors_in_the_air_count_in_the_full_frame_only() -> None:
    synthetic, reference, ct = phantom()
    body = evaluate(synthetic, reference, region="body", source=ct)
    assert body.metrics["mae"] == pytest.approx(0.1)
    assert evaluate(synthetic, reference, region="reference").metrics["mae"] == pytest.approx(0.1)
    assert evaluate(synthetic, reference).metrics["mae"] > 1
    assert evaluate(synthetic, reference, region="frame").settings == evaluate(synthetic, reference).settings


def test_a_mask_limits_the_region_further() -> None:
    synthetic, reference, ct = phantom()
    half = np.zeros(ct.shape, dtype=np.uint8)
    half[:12] = 1
    report = evaluate(synthetic, reference, mask=ct.replace(voxels=half, unit=""), region="body", source=ct)
    assert report.settings["region"] == "body and mask"
    assert report.settings["compared_voxels"] == body_mask(ct.voxels)[:12].sum()
    assert report.described()["mae"]["region"] == "in the body, within the mask"


def test_the_order_of_voxels_does_not_change_the_body() -> None:
    _, _, ct = phantom()
    # The same voxels stored as coronal slices.
    turned = ct.replace(voxels=ct.voxels.transpose(1, 2, 0).copy(), ijk_to_ras=LPS[:, [2, 0, 1, 3]])
    assert np.array_equal(body_in(turned).voxels, body_in(ct).voxels.transpose(1, 2, 0))


def test_a_source_on_another_grid_without_modality_is_recognised_as_ct() -> None:
    synthetic, reference, ct = phantom()
    fine = Grid.of(ct).with_spacing(np.array([1.5, 1.5, 3.0]))
    moved = resample_array(ct.voxels, Grid.of(ct), fine, fill=-1000.0)
    source = Volume(moved, fine.ijk_to_ras)
    report = evaluate(synthetic, reference, region="body", source=source)
    assert report.settings["body_from"] == "source CT"
    assert report.settings["compared_voxels"] == pytest.approx(body_mask(ct.voxels).sum(), rel=0.1)


def test_voxels_that_an_mr_did_not_image_are_left_out_of_the_body() -> None:
    _, _, ct = phantom()
    imaged = np.where(ct.voxels > 0, 300.0, 0.0)
    imaged[:6] = 0
    reference = Volume(imaged, LPS, "MR")
    report = evaluate(reference.replace(voxels=imaged + 5), reference, region="body", source=ct)
    assert report.settings["compared_voxels"] == (body_mask(ct.voxels) & (imaged > 0)).sum()
    assert any("outside its field of view" in note for note in report.settings["notes"])


def test_an_unknown_region_and_an_empty_one_are_refused() -> None:
    synthetic, reference, ct = phantom()
    with pytest.raises(MedSynthError, match="no region 'head'.*frame, body, reference"):
        evaluate(synthetic, reference, region="head")
    air = ct.replace(voxels=np.full(ct.shape, -1000.0))
    with pytest.raises(MedSynthError, match="No body was found in the source CT"):
        evaluate(synthetic, reference, region="body", source=air)
    outside = ct.replace(voxels=(ct.voxels < 0).astype(np.uint8), unit="")
    with pytest.raises(MedSynthError, match="Nothing is left to compare in the body"):
        evaluate(synthetic, reference, mask=outside, region="body", source=ct)
