"""A result that is not finite is an error that names slice and place, and never a file."""

import numpy as np
import pytest
import torch
from builders import axial_matrix, phantom_ct

from medsynth_core import MedSynthError, load_model, synthesize, write_volume
from medsynth_core.grid import Grid
from medsynth_core.inference import loaded_model, steps
from medsynth_core.inference.dose_report import of_dose
from medsynth_core.inference.finite import check_finite
from medsynth_core.inference.slice_predictor import Predictor
from medsynth_core.inference.synthesis_files import SynthesisFiles, synthesize_files
from medsynth_core.preparation.intensity import Linear
from medsynth_core.progress import Progress


class Spoiled(torch.nn.Module):
    """A network whose answer is ``value`` where its input is bone, and 0.2 elsewhere."""

    in_channels = out_channels = 1
    multiple_of = 1

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, image):
        return torch.where(image > 0.5, torch.full_like(image, self.value), torch.full_like(image, 0.2))


@pytest.fixture
def model():
    return load_model("ct-to-pet")


@pytest.fixture
def spoil(monkeypatch):
    def change(value: float) -> None:
        monkeypatch.setattr(
            loaded_model,
            "create_predictor",
            lambda network, contract, device, batch, *_: Predictor(Spoiled(value), contract, device, batch),
        )

    return change


def bone_in_slice_four():
    """Return a CT with bone in its fourth slice only, at x = 22…24 and y = 18…21 voxels."""
    hu = np.minimum(phantom_ct(shape=(8, 40, 44), matrix=axial_matrix((2.0, 2.0, 3.27))).voxels, 100)
    hu[3, 18:22, 22:25] = 900
    return phantom_ct(shape=(8, 40, 44), matrix=axial_matrix((2.0, 2.0, 3.27))).replace(voxels=hu)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_message_names_slice_and_place(value, model, spoil):
    spoil(value)
    ct = bone_in_slice_four()
    r, a, s, _ = ct.ijk_to_ras @ [22, 18, 3, 1]
    with pytest.raises(MedSynthError) as caught:
        synthesize(ct, model, device="cpu")
    assert "not a finite number in 12 of " in caught.value.message
    assert f"slice 4 of 8 at R {r:.1f}, A {a:.1f}, S {s:.1f} mm" in caught.value.message
    assert caught.value.message.endswith(".") and caught.value.kind == "model"


def test_no_file_is_left_and_an_earlier_result_is_kept(model, spoil, tmp_path):
    spoil(np.nan)
    write_volume(bone_in_slice_four(), tmp_path / "ct.nii.gz")
    (tmp_path / "out.nii.gz").write_bytes(b"earlier")
    files = SynthesisFiles(
        tmp_path / "ct.nii.gz", tmp_path / "out.nii.gz", unit="HU", uncertainty=tmp_path / "error.nii.gz"
    )
    with pytest.raises(MedSynthError, match="slice 4 of 8"):
        synthesize_files(files, model, device="cpu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct.nii.gz", "out.nii.gz"]
    assert (tmp_path / "out.nii.gz").read_bytes() == b"earlier"


def test_finite_answers_pass(model, spoil):
    spoil(0.4)
    assert synthesize(bone_in_slice_four(), model, device="cpu").voxels.max() == pytest.approx(2.0, rel=1e-3)


def test_values_outside_the_unit_are_told_once_in_the_log(model, spoil, monkeypatch):
    spoil(-0.4)
    contract = model.synthesis.contract
    side = contract.output.model_copy(update={"intensity": Linear(divisor=5.0, lower=-100.0)})
    card = model.card.model_copy(update={"contract": contract.model_copy(update={"outputs": {"pet": side}})})
    changed = type(model)(model.path, model.metadata.model_copy(update={"medsynth": card}))
    log = synthesize(bone_in_slice_four(), changed, device="cpu").metadata["log"]
    assert sum("voxels of the result are below 0 (-2 at the extreme)" in line for line in log) == 1


def test_an_error_map_that_is_not_finite_is_refused(model, spoil, monkeypatch):
    spoil(0.4)
    monkeypatch.setattr(steps, "expected_error", lambda values, *_: np.where(values > 1, np.inf, 0.1))
    with pytest.raises(MedSynthError, match="The usual error of the model 'ct-to-pet' is not a finite number"):
        synthesize(bone_in_slice_four(), model, device="cpu", uncertainty=True)


def test_the_place_is_that_of_the_inputs_slices():
    source = Grid((9, 4, 4), axial_matrix((1.0, 1.0, 2.0)))
    fine = source.with_spacing(np.array([1.0, 1.0, 0.5]))
    voxels = np.zeros(fine.shape, np.float32)
    voxels[21:, 1, 2] = np.nan
    with pytest.raises(MedSynthError, match="16 of 592 voxels, first in slice 6 of 9"):
        check_finite(voxels, fine, source, "m")


def test_probabilities_of_doses_must_be_finite():
    contract = load_model("low-dose-pet").synthesis.contract
    with pytest.raises(MedSynthError, match="probabilities of the doses"):
        of_dose(contract, np.full(6, np.nan), phantom_ct(), None, np.zeros(1), Progress())
