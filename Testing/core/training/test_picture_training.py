"""Pictures, grey and in colour, as the images that generators are trained with: from files to packages."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import CT_SIDE, tiny_recipe
from PIL import Image

from medsynth_core import MedSynthError, Progress, train
from medsynth_core.datasets.checks import check_data
from medsynth_core.datasets.manifest import Case, read_manifest, roles_in
from medsynth_core.models.library import verify_model
from medsynth_core.models.markdown import card_text
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.systems.data_needs import DataNeeds, Role
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.registry import create_system
from medsynth_core.training.batches import Batches
from medsynth_core.training.prepared_cases import load_case, load_cases
from medsynth_core.training.seen import check_contrast

SIZE = 32
BYTES = {"kind": "curve", "points": [[0, -1], [255, 1]]}
UNIT = {"kind": "scale", "divisor": 255, "upper": 255}
XRAY = {"modality": "DX", "unit": "1", "intensity": BYTES}
FUNDUS = {"modality": "OP", "unit": "1", "intensity": BYTES, "colours": True}
PART = {"modality": "OP", "unit": "1", "intensity": {"kind": "scale", "divisor": 1, "upper": 1}}
SOURCE = {"role": "fundus", "modality": "OP", "unit": "1", "channel": "green", "values": {"grow": 0, "gamma": 0.2}}


def common() -> dict[str, Any]:
    content = tiny_recipe().model_dump(mode="json")
    return {key: content[key] for key in ("format", "about", "optimiser", "name")}


def from_noise(role: str, side: dict[str, Any], **changes: Any) -> Recipe:
    channels = 3 if side.get("colours") else 1
    return Recipe.model_validate(
        {
            **common(),
            "system": "unconditional",
            "contract": {"kind": "generation", "noise": 4, "outputs": {role: side}, "matrix": [SIZE, SIZE]},
            "network": {
                "name": "dcgan",
                "options": {"size": SIZE, "latent": 4, "channels": 2, "out_channels": channels},
            },
            "discriminator": {
                "name": "dcgan-discriminator",
                "options": {"size": SIZE, "channels": 2, "in_channels": channels},
            },
            "augmentation": {"crop": SIZE},
            "batch_size": 2,
            "epochs": 1,
            "choose_by": "image_distance",
            **changes,
        }
    )


def from_maps(**changes: Any) -> Recipe:
    contract = {
        "kind": "generation",
        "inputs": {"structure": PART},
        "outputs": {"fundus": {**FUNDUS, "intensity": UNIT}},
    }
    return Recipe.model_validate(
        {
            **common(),
            "system": "multimodal",
            "contract": {**contract, "matrix": [SIZE, SIZE]},
            "structures": {"fundus": SOURCE},
            "network": {"name": "skrgan", "options": {"channels": 2, "out_channels": 3}},
            "discriminator": {
                "name": "multimodal-discriminator",
                "options": {"channels": 2, "in_channels": 3, "modalities": 0},
            },
            "pretrain_epochs": 1,
            "augmentation": {"crop": SIZE, "flip": False},
            "batch_size": 2,
            "epochs": 2,
            "choose_by": "ms_ssim_paired",
            **changes,
        }
    )


def eye(seed: int, shape: tuple[int, int] = (60, 72)) -> np.ndarray:
    """Return a photograph: a red disc with a vessel that the green channel shows best."""
    y, x = np.mgrid[: shape[0], : shape[1]] - np.array(shape)[:, None, None] / 2
    disc = np.hypot(y, x) < 26
    vessel = np.abs(y - seed) < 2
    red, green, blue = 200 * disc, 120 * disc - 80 * (disc & vessel), 40 * disc
    noise = np.random.default_rng(seed).integers(0, 8, shape)
    return np.stack([red, green, blue], axis=-1) + noise[..., None] * disc[..., None]


def write_pictures(folder: Path, role: str, grey: bool = False, shape: tuple[int, int] = (60, 72)) -> Path:
    """Write photographs, or X-rays, of seven cases and return their manifest."""
    lines = [f"case,split,{role}"]
    for number, split in enumerate(("train",) * 3 + ("val",) * 2 + ("test",) * 2):
        values = eye(number, shape).astype(np.uint8)
        name = f"{role}{number}.{'png' if number else 'tif'}"
        Image.fromarray(values[..., 1] if grey else values).save(folder / name)
        lines.append(f"P{number},{split},{name}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


def test_pictures_of_a_manifest_are_images_that_can_be_checked(tmp_path):
    manifest = write_pictures(tmp_path, "fundus")
    assert roles_in(manifest) == ("fundus",)
    for settings in (from_noise("fundus", FUNDUS), from_maps()):
        found = check_data(manifest, settings.needs)
        assert found.counts == {"good": 7, "doubtful": 0, "refused": 0} and not found.refusal
    grey = check_data(manifest, from_noise("fundus", {**XRAY, "modality": "OP"}).needs)
    assert grey.counts["refused"] == 7 and "a colour picture, but a grey one is needed" in grey.cases[0].problems[0]
    # A synthesis takes volumes alone.
    refused = check_data(manifest, DataNeeds((Role("fundus", "CT", "HU"),)))
    assert "not in a supported image format" in refused.cases[0].problems[0]


def test_a_picture_that_is_there_twice_is_found(tmp_path):
    manifest = write_pictures(tmp_path, "fundus")
    (tmp_path / "fundus3.png").write_bytes((tmp_path / "fundus1.png").read_bytes())
    found = check_data(manifest, from_noise("fundus", FUNDUS).needs)
    assert "fundus is also fundus of P3, in the split val." in found.cases[1].problems


@pytest.mark.parametrize("cached", [False, True])
def test_colours_are_the_channels_of_a_batch_in_their_order(tmp_path, cached):
    manifest, settings = write_pictures(tmp_path, "fundus"), from_noise("fundus", FUNDUS)
    cache = tmp_path / "arrays" if cached else None
    if cache:
        cache.mkdir()
    cases = load_cases(read_manifest(manifest, ("fundus",)), settings, Progress(), cache)
    cases = load_cases(read_manifest(manifest, ("fundus",)), settings, Progress(), cache)
    assert list(cases[0].targets) == ["fundus:red", "fundus:green", "fundus:blue"]
    check_contrast(cases, settings)
    batch = next(Batches(cases, settings, (0, 3)).epoch(0))
    assert batch.target.shape == (2, 3, SIZE, SIZE)
    red, green, blue = batch.target[:, :, SIZE // 2, 6:26].amax(dim=(0, 2)).tolist()
    assert red > 0.5 > green > -0.3 > blue > -0.8
    # The margins above and below are those of a picture that is wider than high, and are empty.
    assert (batch.target[:, :, 0] == -1).all() and (batch.target[:, :, -1] == -1).all()


def test_the_contrast_of_each_colour_is_checked(tmp_path):
    manifest = write_pictures(tmp_path, "fundus")
    settings = from_noise("fundus", {**FUNDUS, "intensity": {"kind": "curve", "points": [[150, -1], [255, 1]]}})
    cases = load_cases(read_manifest(manifest, ("fundus",)), settings, Progress())
    with pytest.raises(MedSynthError, match=r"contract\.outputs\.fundus\.intensity"):
        check_contrast(cases, settings)


@pytest.mark.slow
@pytest.mark.parametrize(("role", "side", "channels"), [("xray", XRAY, 1), ("fundus", FUNDUS, 3)])
def test_a_generator_from_noise_is_trained_with_pictures(tmp_path, role, side, channels):
    manifest = write_pictures(tmp_path, role, grey=channels == 1)
    package = train(from_noise(role, side), manifest, tmp_path / "run", device="cpu")
    model = verify_model(package)
    assert model.network()(torch.zeros(1, 4)).shape == (1, channels, SIZE, SIZE)
    assert set(model.card.metrics["val"]) == set(model.card.metrics["test"]) == {"image_distance"}
    (output,) = json.loads((package / "configs" / "metadata.json").read_text())["network_data_format"][
        "outputs"
    ].values()
    assert output["num_channels"] == channels
    assert list(output["channel_def"].values()) == (["slice +0"] if channels == 1 else ["red", "green", "blue"])
    text = card_text(model.metadata)
    assert ("fundus photograph in colours, of 32 × 32 pixels" in text) == (channels == 3)
    assert ("X-ray in 1, of 32 × 32 pixels" in text) == (channels == 1)


@pytest.mark.slow
def test_a_generator_from_structure_maps_is_trained_with_pictures_in_colour(tmp_path):
    manifest = write_pictures(tmp_path, "fundus")
    settings = from_maps()
    case = load_case(read_manifest(manifest, ("fundus",))[1], settings)[0]
    assert {name: array.shape for name, array in case.targets.items()} == dict.fromkeys(
        ("fundus:red", "fundus:green", "fundus:blue", "fundus:structure", "fundus:organ", "fundus:lesion"),
        (1, SIZE, SIZE),
    )
    organ = case.targets["fundus:organ"][0] > 0
    # The organ is the disc, of 52 of 72 columns.
    assert organ[SIZE // 2, 7:25].all() and not organ[:3].any() and not organ[:, :3].any()
    package = train(settings, manifest, tmp_path / "run", device="cpu")
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    assert rows[0]["reconstruction"] and rows[1]["discriminator_real"] and float(rows[1]["val_ms_ssim_paired"]) > 0
    assert verify_model(package).network()(torch.zeros(1, 1, SIZE, SIZE)).shape == (1, 3, SIZE, SIZE)


def test_the_map_is_that_of_the_stated_channel(tmp_path):
    photograph = read_manifest(write_pictures(tmp_path, "fundus"), ("fundus",))[0].files["fundus"]
    lines = {}
    for number, channel in enumerate(("red", "green", "blue")):
        Image.fromarray(eye(0).astype(np.uint8)[..., number]).save(tmp_path / f"{channel}.png")
        case = Case("P", "train", {"fundus": photograph, "plain": tmp_path / f"{channel}.png"})
        of_colours = {**SOURCE, "channel": channel}
        found = [
            load_case(case, from_maps(structures={"fundus": source}))[0].targets["fundus:structure"]
            for source in (of_colours, {**of_colours, "role": "plain", "channel": None})
        ]
        assert np.array_equal(*found) and found[0].any()
        lines[channel] = found[0]
    assert not np.array_equal(lines["red"], lines["green"])
    with pytest.raises(MedSynthError, match="a colour picture, but a grey one is needed"):
        load_case(case, from_maps(structures={"fundus": {**SOURCE, "channel": None}}))


def test_a_mask_of_two_values_is_a_label_of_0_and_1(tmp_path):
    write_pictures(tmp_path, "fundus")
    mask = np.zeros((60, 72), np.uint8)
    mask[20:40, 20:40] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    settings = from_maps(
        lesion="vessels",
        processor={"name": "lesion-segmenter", "options": {"channels": 2, "in_channels": 3, "out_channels": 2}},
        prepare_epochs=1,
        epochs=3,
        network={"name": "skrgan", "options": {"channels": 2, "out_channels": 3, "in_channels": 2}},
    )
    case = Case("P", "train", {"fundus": tmp_path / "fundus1.png", "vessels": tmp_path / "mask.png"})
    label = load_case(case, settings)[0].targets["fundus:lesion"]
    assert set(np.unique(label)) == {0, 1} and 60 < label.sum() < 100  # 400 of 60 × 72 pixels on 32²
    system = create_system("multimodal", settings, Engine(torch.device("cpu"), settings))
    cases = load_cases([case] * 2, settings, Progress())
    losses = system.step(next(Batches(cases, settings, (2, 3)).epoch(0)))
    assert np.isfinite(list(losses.values())).all() and losses["processor"] > 0


def test_one_network_draws_grey_images_or_colours():
    outputs = {"fundus": {**FUNDUS, "intensity": UNIT}, "grey": {**FUNDUS, "colours": False}}
    contract = {**from_maps().contract.model_dump(mode="json"), "outputs": outputs}
    with pytest.raises(ValueError, match="must be all grey or all in colour"):
        from_maps(contract=contract, structures=dict.fromkeys(outputs, SOURCE))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": {"name": "skrgan", "options": {"channels": 2}}}, "generator .* needs out_channels: 3"),
        (
            {"discriminator": {"name": "multimodal-discriminator", "options": {"channels": 2, "modalities": 0}}},
            "discriminator .* needs in_channels: 3",
        ),
    ],
)
def test_networks_of_grey_images_draw_no_colours(changes, words):
    settings = from_maps(**changes)
    with pytest.raises(MedSynthError, match=words):
        create_system("multimodal", settings, Engine(torch.device("cpu"), settings))


def test_pictures_and_volumes_are_not_channels_of_one_image(tmp_path):
    from builders import phantom_ct

    from medsynth_core import write_volume

    write_pictures(tmp_path, "xray", grey=True)
    write_volume(phantom_ct((1, SIZE, SIZE)), tmp_path / "ct.nii.gz")
    contract = {**from_noise("xray", XRAY).contract.model_dump(mode="json"), "outputs": {"xray": XRAY, "ct": CT_SIDE}}
    settings = from_noise("xray", XRAY, contract=contract)
    case = Case("P", "train", {"xray": tmp_path / "xray1.png", "ct": tmp_path / "ct.nii.gz"})
    with pytest.raises(MedSynthError, match="'xray' is a picture and that for 'ct' a volume"):
        load_case(case, settings)


def test_real_photographs_and_x_rays_are_read(shared_data: Path):
    photograph, chest = shared_data / "fundus-chase" / "Image_01L.jpg", shared_data / "chest-xray" / "train"
    case = load_case(Case("P", "train", {"fundus": photograph}), from_noise("fundus", FUNDUS))[0]
    means = [float(array.mean()) for array in case.targets.values()]
    assert means[0] > means[1] > means[2], "a fundus is red"
    for file in sorted(chest.rglob("*.jpeg"))[::150]:
        (image,) = load_case(Case("P", "train", {"xray": file}), from_noise("xray", XRAY))[0].targets.values()
        assert image.shape == (1, SIZE, SIZE) and np.ptp(image) > 0.8
