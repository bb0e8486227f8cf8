"""Volumes whose values are on different scales are compared, but with a doubt."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders import phantom_body_pet, phantom_ct

from medsynth_core.cli.app import run
from medsynth_core.evaluation.report import evaluate
from medsynth_core.io.writing import write_volume
from medsynth_core.volume import Volume

PET = phantom_body_pet()
CT = phantom_ct(shape=(6, 80, 88))
WORDS = "are on different scales"


def noisy(volume: Volume, size: float) -> Volume:
    noise = np.random.default_rng(0).normal(0, size, volume.shape)
    return volume.replace(voxels=np.maximum(volume.voxels + noise, volume.voxels.min()).astype(np.float32))


def doubts(synthetic: Volume, reference: Volume) -> list[str]:
    return [note for note in evaluate(synthetic, reference).remarks() if WORDS in note]


@pytest.mark.parametrize("unit", ["", "SUVbw"])
@pytest.mark.parametrize("factor", [5000.0, 1 / 5000, 10.0])
def test_activity_beside_suv_is_doubted_in_one_sentence(unit: str, factor: float) -> None:
    synthetic = noisy(PET, 0.1).replace(unit=unit)
    [doubt] = doubts(synthetic, PET.replace(voxels=PET.voxels * np.float32(factor), unit=unit))
    assert doubt.endswith(".") and ("SUVbw" if unit else "neither volume states a unit") in doubt


@pytest.mark.parametrize(
    "wrong",
    [
        lambda hu: hu + 1024,
        lambda hu: np.clip((hu + 160) * 255 / 400, 0, 255),
        lambda hu: hu / 1000,
    ],
    ids=["offset", "picture", "thousandths"],
)
def test_a_ct_in_stored_values_is_doubted(wrong) -> None:
    hu = CT.voxels.astype(np.float32)
    assert len(doubts(CT.replace(unit=""), CT.replace(voxels=wrong(hu), unit=""))) == 1


# A pelvis or a head: dense bone, so that the range of the values is wider than the shift of stored values.
BONY = noisy(CT.replace(voxels=np.where(CT.voxels > 300, 1500, CT.voxels).astype(np.float32)), 15)


@pytest.mark.parametrize("unit", ["HU", ""])
@pytest.mark.parametrize("part", [slice(None), slice(20, 60)], ids=["whole", "middle"])
@pytest.mark.parametrize("offset", [1000, 1024, -1000])
def test_hounsfield_units_beside_stored_values_are_doubted_whatever_the_range(offset, part, unit) -> None:
    reference = BONY.replace(voxels=BONY.voxels[:, part, part] + np.float32(offset), unit=unit)
    synthetic = noisy(BONY, 30).replace(unit=unit)
    synthetic = synthetic.replace(voxels=synthetic.voxels[:, part, part])
    assert np.ptp(np.percentile(BONY.voxels, (0.5, 99.5))) > 2048
    assert len(doubts(synthetic, reference)) == 1


def test_stored_values_of_a_ct_in_another_place_are_doubted() -> None:
    stored = np.roll(BONY.voxels, (9, 9), axis=(1, 2)) + 1024
    assert len(doubts(BONY, BONY.replace(voxels=stored))) == 1


@pytest.mark.parametrize("factor", [2.5, 3.4, 5.5, 1000.0, 1 / 1000])
def test_suv_beside_kilobecquerels_is_doubted(factor: float) -> None:
    assert len(doubts(noisy(PET, 0.02), PET.replace(voxels=PET.voxels * np.float32(factor)))) == 1


@pytest.mark.parametrize(
    ("synthetic", "reference"),
    [
        (CT.voxels / 1000.0, np.clip(CT.voxels / 1000.0, -1, 1) / 2 + 0.5),
        (CT.voxels + 1000.0, (CT.voxels / 1000.0 + 1) * 0.096),
        (CT.voxels + 1000.0, 1000.0 - CT.voxels),
    ],
    ids=["-1 to 1 beside 0 to 1", "attenuation", "inverted"],
)
def test_other_scales_without_unit_are_doubted(synthetic, reference) -> None:
    volumes = (CT.replace(voxels=voxels.astype(np.float32), modality="", unit="") for voxels in (synthetic, reference))
    assert len(doubts(*volumes)) == 1


def test_a_hot_spot_in_nothing_is_doubted_in_becquerels() -> None:
    suv = np.zeros(PET.shape, np.float32)
    suv[12:14, 10:14, 10:14] = 5
    assert len(doubts(PET.replace(voxels=suv), PET.replace(voxels=suv * 10000))) == 1


def with_tumour(pet: Volume) -> Volume:
    """Return a PET with a tumour of 2 % of its voxels, 20 times as hot as the rest."""
    voxels = pet.voxels.copy()
    k, j, i = (n // 2 for n in voxels.shape)
    voxels[k - 3 : k + 3, j - 5 : j + 5, i - 5 : i + 5] = 20 * voxels.mean()
    return pet.replace(voxels=voxels)


@pytest.mark.parametrize(
    ("synthetic", "reference"),
    [
        (PET.replace(voxels=np.minimum(PET.voxels, 1)), with_tumour(PET)),
        (noisy(PET, 0.1), PET),
        (PET.replace(voxels=PET.voxels * np.float32(0.5)), PET),
        (noisy(CT, 50), CT),
        (
            CT.replace(voxels=np.maximum(CT.voxels, -1000)),
            CT.replace(voxels=np.where(CT.voxels < -900, -3024, CT.voxels)),
        ),
        (PET.replace(voxels=np.ones(PET.shape)), PET),
        (PET.replace(voxels=PET.voxels * np.float32(2)), PET),
        (CT.replace(voxels=np.where(CT.voxels > -400, 40, -1000)), CT),
        (CT.replace(voxels=np.where(CT.voxels > -400, CT.voxels + 100, CT.voxels)), BONY),
        (PET.replace(voxels=PET.voxels[:, 10:22, 10:26] * 0 + 0.9), PET.replace(voxels=PET.voxels[:, 10:22, 10:26])),
    ],
    ids=["missed tumour", "noise", "half", "ct", "padding", "constant", "twice", "one tissue", "bias", "flat"],
)
def test_volumes_of_one_scale_are_not(synthetic: Volume, reference: Volume) -> None:
    assert doubts(synthetic, reference) == []


def test_the_command_and_the_figure_state_the_doubt(tmp_path, monkeypatch, capsys) -> None:
    write_volume(PET.replace(voxels=PET.voxels * np.float32(5000)), tmp_path / "bq.nii.gz")
    write_volume(PET, tmp_path / "suv.nii.gz")
    command = ["medsynth", "evaluate", str(tmp_path / "suv.nii.gz"), str(tmp_path / "bq.nii.gz")]
    monkeypatch.setattr("sys.argv", command)
    assert run() == 0
    assert " ".join(capsys.readouterr().out.split()).count(WORDS) == 1
    monkeypatch.setattr("sys.argv", [*command, "--json"])
    assert run() == 0
    assert WORDS in " ".join(json.loads(capsys.readouterr().out)["settings"]["notes"])


def test_values_that_the_unit_does_not_allow_are_told() -> None:
    negative = PET.voxels.copy()
    negative[3, 4, 5] = -0.5
    notes = evaluate(PET.replace(voxels=negative), PET).settings["notes"]
    assert any("1 of 27648 voxels of the synthetic volume are below 0 (-0.5 at the extreme)" in note for note in notes)


@pytest.mark.parametrize(("value", "words"), [(1e6, "above 2000 (1e+06"), (-50, "below"), (2500, "above 2000")])
def test_one_absurd_voxel_of_the_reference_is_told(value, words) -> None:
    voxels = PET.voxels.copy()
    voxels[3, 4, 5] = value
    told = [note for note in evaluate(PET, PET.replace(voxels=voxels)).settings["notes"] if "the reference are" in note]
    assert len(told) == 1 and told[0].startswith("1 of 27648 voxels of the reference") and words in told[0]


def test_an_absurd_voxel_without_a_unit_is_told_and_what_interpolation_makes_is_not() -> None:
    mr = PET.replace(voxels=PET.voxels * 100, modality="MR", unit="1")
    voxels = mr.voxels.copy()
    voxels[3, 4, 5] = 1e7
    [note] = evaluate(mr, mr.replace(voxels=voxels)).settings["notes"]
    assert note.startswith("A voxel of the reference is 1e+07")
    for volume, low in ((mr, -20), (PET, -0.02)):
        voxels = volume.voxels.copy()
        voxels[3, 4, 5] = low
        assert not any("reference" in note for note in evaluate(volume, volume.replace(voxels=voxels)).remarks())
