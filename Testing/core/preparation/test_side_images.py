"""The images of a case by the sides of a contract, and pictures on the matrix of a generator."""

from __future__ import annotations

import numpy as np
import pytest
from builders import CT_SIDE, phantom_ct
from PIL import Image
from pydantic import ValidationError

from medsynth_core import MedSynthError
from medsynth_core.io.writing import write_labelled
from medsynth_core.preparation.case import prepare_alone
from medsynth_core.preparation.contract import GenerationContract, Side, SynthesisContract
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.preparation.side_images import check_one_kind, read_side

BYTES = {"kind": "curve", "points": [[0, -1], [255, 1]]}
XRAY = {"modality": "DX", "unit": "1", "intensity": BYTES}
FUNDUS = {"modality": "OP", "unit": "1", "intensity": BYTES, "colours": True}


def contract(**outputs: object) -> GenerationContract:
    return GenerationContract.model_validate({"noise": 4, "outputs": outputs, "matrix": [32, 32]})


def save(values: np.ndarray, path) -> None:
    Image.fromarray(values.astype(np.uint8)).save(path)


def test_colours_are_three_grey_images_with_the_side_of_the_role():
    sides = contract(fundus=FUNDUS, xray=XRAY).outputs
    found = channels_of(sides)
    assert list(found) == ["fundus:red", "fundus:green", "fundus:blue", "xray"]
    assert found["fundus:blue"] is sides["fundus"] and found["xray"] is sides["xray"]


def test_the_images_of_a_role_are_read_by_their_channels(tmp_path):
    values = 5 * np.arange(48).reshape(4, 4, 3)
    save(values, tmp_path / "eye.png")
    found = read_side(tmp_path / "eye.png", "fundus", Side.model_validate(FUNDUS))
    for number, name in enumerate(("fundus:red", "fundus:green", "fundus:blue")):
        assert np.array_equal(found[name].voxels[0], values[..., number])
    save(values[..., 0], tmp_path / "chest.png")
    (volume,) = read_side(tmp_path / "chest.png", "xray", Side.model_validate(XRAY)).values()
    assert np.array_equal(volume.voxels[0], values[..., 0]) and volume.modality == "DX"
    with pytest.raises(MedSynthError, match="colour picture, but a grey one is needed"):
        read_side(tmp_path / "eye.png", "xray", Side.model_validate(XRAY))


def test_the_whole_picture_is_on_the_matrix_with_margins(tmp_path):
    values = np.full((64, 128), 200)
    values[:, :64] = 50
    save(values, tmp_path / "chest.png")
    found = read_side(tmp_path / "chest.png", "xray", Side.model_validate(XRAY))
    (made,) = prepare_alone(found, contract(xray=XRAY)).values()
    assert made.shape == (1, 32, 32) and made.dtype == np.float32
    # 128 columns on 32, so that 64 rows are on 16 in the middle.
    assert (made[0, :8] == -1).all() and (made[0, 24:] == -1).all()
    inside = made[0, 8:24]
    assert np.allclose(inside[:, :14], 50 / 127.5 - 1, atol=1e-3)
    assert np.allclose(inside[:, 18:], 200 / 127.5 - 1, atol=1e-3)
    assert inside[0, 0] == pytest.approx(50 / 127.5 - 1, abs=1e-3)


def test_fine_patterns_do_not_become_coarse_ones(tmp_path):
    rows, columns = np.mgrid[:252, :252]
    save(255 * ((rows + columns) % 2), tmp_path / "chess.png")
    found = read_side(tmp_path / "chess.png", "xray", Side.model_validate(XRAY))
    (made,) = prepare_alone(found, contract(xray=XRAY)).values()
    assert np.abs(made[0, 2:-2, 2:-2]).max() < 0.05


def test_pictures_of_different_sizes_are_on_the_matrix_each(tmp_path):
    for name, shape in (("a", (40, 40)), ("b", (90, 90))):
        values = np.zeros(shape)
        values[: shape[0] // 2] = 255
        save(values, tmp_path / f"{name}.png")
    given = contract(a=XRAY, b=XRAY)
    volumes = {}
    for role, side in given.outputs.items():
        volumes |= read_side(tmp_path / f"{role}.png", role, side)
    made = prepare_alone(volumes, given)
    assert made["a"].shape == made["b"].shape == (1, 32, 32)
    assert np.abs(made["a"] - made["b"])[0, [4, 28]].max() < 0.01


def test_volumes_stay_on_the_grid_of_the_first_with_their_spacing():
    ct = phantom_ct((4, 40, 40))
    given = contract(ct=CT_SIDE, other=CT_SIDE)
    made = prepare_alone({"ct": ct, "other": ct.replace(voxels=ct.voxels[:, 5:35, 5:35].copy())}, given)
    assert made["ct"].shape == made["other"].shape == ct.shape


def test_pictures_and_volumes_of_a_case_do_not_mix(tmp_path):
    save(np.arange(16).reshape(4, 4), tmp_path / "a.png")
    picture = read_side(tmp_path / "a.png", "xray", Side.model_validate(XRAY))
    check_one_kind(picture)
    check_one_kind({"ct": phantom_ct((4, 8, 8))})
    with pytest.raises(MedSynthError, match="'xray' is a picture and that for 'ct' a volume"):
        check_one_kind({"ct": phantom_ct((4, 8, 8)), **picture})


def test_a_map_of_errors_is_no_image(tmp_path):
    ct = phantom_ct((4, 8, 8))
    write_labelled(ct.replace(metadata={"error_map": True, "medsynth_version": "1"}), tmp_path / "ct.nii.gz")
    with pytest.raises(MedSynthError, match="shows the errors of a synthetic image"):
        read_side(tmp_path / "ct.nii.gz", "ct", Side.model_validate(CT_SIDE))


def test_contracts_of_grey_images_are_written_as_before():
    grey = {**FUNDUS, "colours": False}
    assert "colours" not in Side.model_validate(XRAY).model_dump(mode="json")
    assert Side.model_validate(grey).model_dump() == Side.model_validate({**XRAY, "modality": "OP"}).model_dump()
    written = Side.model_validate(FUNDUS).model_dump(mode="json")
    assert written["colours"] is True and Side.model_validate(written).colours


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"noise": 1, "outputs": {"a": {**FUNDUS, "unit": "SUVbw", "modality": "PT"}}}, "an image in colour has the"),
        ({"inputs": {"a": FUNDUS}, "outputs": {"b": XRAY}}, "the input 'a' cannot be in colour"),
    ],
)
def test_colours_are_those_of_outputs_without_unit(content, words):
    with pytest.raises(ValidationError, match=words):
        GenerationContract.model_validate({**content, "matrix": [32, 32]})


@pytest.mark.parametrize(("side", "words"), [(FUNDUS, "in colour"), (XRAY, "of the modality X-ray")])
def test_a_synthesis_takes_no_pictures(side, words):
    for sides in (
        {"inputs": {"a": side}, "outputs": {"b": CT_SIDE}},
        {"inputs": {"b": CT_SIDE}, "outputs": {"a": side}},
    ):
        with pytest.raises(ValidationError, match=f"'a' is a picture \\({words}\\)"):
            SynthesisContract.model_validate(sides)
