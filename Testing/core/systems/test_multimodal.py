"""Several modalities from one structure map: the losses of equations 13 to 22, and a training in three phases."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from builders import CT_SIDE, SUV_DRAWN, phantom_ct, phantom_pet
from multimodal_builders import CLASSES, UNET, alone, batch, recipe, system, three

from medsynth_core import Cancelled, MedSynthError, Progress, train, write_volume
from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.evaluation.features import fid
from medsynth_core.models.library import verify_model
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.systems import multimodal as module
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.multimodal import MultimodalSystem, _Drawn, _Piece
from medsynth_core.systems.multimodal_input import drawn_from, sets_of
from medsynth_core.training.modality_slices import ModalitySlices
from medsynth_core.training.prepared_cases import load_cases


def mse(a: torch.Tensor, b: torch.Tensor | float) -> torch.Tensor:
    return (a - b).square().mean()


@pytest.fixture
def made() -> MultimodalSystem:
    found = system(recipe())
    for network in found.networks.values():
        network.eval()
    return found


def test_the_discriminator_has_the_losses_of_equation_13(made):
    piece = _Piece(batch(), made.settings)
    drawn = _Drawn(piece, *made._given(piece))
    losses, weights = made._judging(drawn)
    g, d = made.networks["generator"], made.networks["discriminator"]
    with torch.no_grad():
        wanted = {"real": 0.0, "fake": 0.0, "modality": 0.0, "modality_fake": 0.0}
        for i, x in enumerate(piece.images):
            real, c_real = d(x)
            fake, c_fake = d(g(drawn.given, torch.full((3,), i)))
            wanted["real"] += mse(real, 1) / 2
            wanted["fake"] += mse(fake, 0) / 2
            wanted["modality"] += mse(c_real, i) / 2
            wanted["modality_fake"] += mse(c_fake, i) / 2
    for name, value in wanted.items():
        torch.testing.assert_close(losses[f"discriminator_{name}"].detach(), value, msg=name)
    assert list(weights.values()) == [5.0, 3.0, 5.0, 0.0]  # the author's code judges the modality of real images alone


def test_the_generator_has_the_losses_of_equations_14_to_16(made):
    piece = _Piece(batch(), made.settings)
    drawn = _Drawn(piece, *made._given(piece))
    losses, weights = made._drawing(drawn)
    g, d, t = (made.networks[name] for name in ("generator", "discriminator", "translator"))
    with torch.no_grad():
        x_g = [g(drawn.given, torch.full((3,), i)) for i in range(2)]
        wanted = {
            "adversarial": sum(mse(d(x)[0], 1) for x in x_g) / 2,
            "modality": sum(mse(d(x)[1], i) for i, x in enumerate(x_g)) / 2,
            "registration": sum(mse(x_g[i], t(x_g[1 - i], torch.full((3,), i))) for i in range(2)) / 2,
            "lesion": sum(lesion_loss(made, role, x_g[i], drawn.label) for i, role in enumerate(("ct", "pet"))) / 2,
        }
    assert losses.keys() == wanted.keys()  # with two modalities nothing agrees with anything
    for name, value in wanted.items():
        torch.testing.assert_close(losses[name].detach(), value, msg=name)
    assert weights == {"adversarial": 3.0, "modality": 5.0, "lesion": 5.0, "registration": 20.0}


def lesion_loss(made: MultimodalSystem, role: str, image: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    found = made.networks[f"processor_{role}"](image)
    return 0.5 * mse(found[:, :1], 1 - label) + 5 * mse(found[:, 1:], label)


def test_modalities_without_an_order_have_the_cross_entropy():
    made = system(recipe(discriminator={
        "name": "multimodal-discriminator", "options": {"channels": 2, "modalities": 2, "logits": True}
    }))  # fmt: skip
    for network in made.networks.values():
        network.eval()
    piece = _Piece(batch(), made.settings)
    drawn = _Drawn(piece, *made._given(piece))
    judged, _ = made._judging(drawn)
    persuaded, _ = made._drawing(drawn)
    g, d = made.networks["generator"], made.networks["discriminator"]
    with torch.no_grad():
        logits = [(d(x)[1], d(g(drawn.given, torch.full((3,), i)))[1]) for i, x in enumerate(piece.images)]
        real, fake = (
            sum(-torch.log_softmax(maps[which], dim=1)[:, i].mean() for i, maps in enumerate(logits)) / 2
            for which in (0, 1)
        )
    assert logits[0][0].shape[1] == 2
    torch.testing.assert_close(judged["discriminator_modality"].detach(), real)
    torch.testing.assert_close(judged["discriminator_modality_fake"].detach(), fake)
    torch.testing.assert_close(persuaded["modality"].detach(), fake)


def test_translations_of_three_modalities_must_agree():
    made = system(three())
    images = [torch.rand(2, 1, 16, 16) for _ in range(3)]
    for network in made.networks.values():
        network.eval()
    with torch.no_grad():
        found = made._registration(images)
        t = made.networks["translator"]
        pairs = [mse(t(images[1], n(0)), t(images[2], n(0))), mse(t(images[0], n(1)), t(images[2], n(1))),
                 mse(t(images[0], n(2)), t(images[1], n(2)))]  # fmt: skip
    torch.testing.assert_close(found["agreement"], sum(pairs) / 3)


def n(number: int) -> torch.Tensor:
    return torch.full((2,), number)


def test_translator_and_processors_have_the_losses_of_equations_19_to_22(made):
    piece = _Piece(batch(), made.settings)
    t, d = made.networks["translator"], made.networks["translator_discriminator"]
    with torch.no_grad():
        cycles, persuaded = [], []
        for i, j in ((0, 1), (1, 0)):
            there = t(piece.images[i], torch.full((3,), j))
            cycles.append(mse(t(there, torch.full((3,), i)), piece.images[i]))
            # The class of x_{t,i,j} is j: the thesis writes i.
            persuaded.append((mse(d(there)[0], 1), mse(d(there)[1], j)))
        found, _ = made._translating(piece)
        torch.testing.assert_close(found["translator_cycle"], sum(cycles) / 2)
        torch.testing.assert_close(found["translator_adversarial"], sum(a for a, _ in persuaded) / 2)
        torch.testing.assert_close(found["translator_modality"], sum(c for _, c in persuaded) / 2)
        judged, _ = made._judging_translations(piece)
        fakes = [mse(d(t(piece.images[i], torch.full((3,), 1 - i)))[0], 0) for i in range(2)]
        torch.testing.assert_close(judged["translation_fake"], sum(fakes) / 2)
        processed, _ = made._processing(piece)
        wanted = [
            lesion_loss(made, role, image, label)
            for role, image, label in zip(("ct", "pet"), piece.images, piece.labels, strict=True)
        ]
        torch.testing.assert_close(processed["processor"], sum(wanted) / 2)


def test_pretraining_is_equation_18(made):
    piece = _Piece(batch(), made.settings)
    torch.manual_seed(5)
    losses, weights = made._pretraining(piece)
    torch.manual_seed(5)
    with torch.no_grad():
        whole, around = [], []
        for i, image in enumerate(piece.images):
            given = made._input(piece.lines[i], piece.organs[i], piece.labels[i])
            x_g, m = made.networks["generator"](given, torch.full((3,), i)), 1 - piece.organs[i]
            whole.append(mse(x_g, image))
            around.append(mse(x_g * m, image * m))
    torch.testing.assert_close(losses["reconstruction"].detach(), sum(whole) / 2)
    torch.testing.assert_close(losses["background"].detach(), sum(around) / 2)
    assert weights == {"reconstruction": 5.0, "background": 5.0}


def test_pretraining_may_go_on_against_the_discriminator():
    changes = {"loss": {"reconstruction": 0.7, "background": 1.3}}
    made, anchored = system(recipe(**changes)), system(recipe(**changes, reconstruct=True))
    anchored.load_state(made.state())
    piece = _Piece(batch(), made.settings)
    torch.manual_seed(5)
    drawn = _Drawn(piece, *made._given(piece))
    losses, weights = made._drawing(drawn)
    torch.manual_seed(6)
    expected, _ = made._pretraining(piece)
    torch.manual_seed(6)
    found, others = anchored._drawing(drawn)
    assert others == weights | {"reconstruction": 0.7, "background": 1.3}
    torch.testing.assert_close(found, losses | expected)
    with pytest.raises(ValueError, match="reconstruct draws images from their own maps"):
        recipe(reconstruct=True, maps=False)


@pytest.mark.parametrize(("maps", "fuse"), [(True, True), (True, False), (False, True)])
def test_what_is_drawn_from_follows_equation_12_or_the_ablation(maps, fuse):
    made = system(recipe(maps=maps, fuse=fuse))
    piece = _Piece(batch(), made.settings)
    lines, organ = piece.lines[0], piece.organs[0]
    given = made._input(lines, organ, piece.labels[0])
    assert torch.equal(given[:, 1:], piece.labels[0] + 0.1)
    s = given[:, :1]
    free = (organ > 0) & (lines == 0)
    if not maps:
        assert s.min() >= 0.5 and s.max() <= 0.6
    else:
        assert (s[lines > 0] == 1).all() and (s[organ == 0] == 0).all()
        assert ((s[free] >= 0.5) & (s[free] <= 0.6)).all() if fuse else (s[free] == 0).all()


def test_skrgan_draws_from_inverted_maps_and_is_compared_with_their_images():
    made = system(alone())
    for network in made.networks.values():
        network.eval()
    piece = _Piece(batch(), made.settings)
    drawn = _Drawn(piece, *made._given(piece))
    # Each image is drawn from 1 − its own map.
    assert torch.equal(drawn.given, 1 - piece.lines[0])
    losses, weights = made._drawing(drawn)
    with torch.no_grad():
        image = made.networks["generator"](1 - piece.lines[0])
        persuaded = mse(made.networks["discriminator"](image), 1)
        around = mse((1 - piece.organs[0]) * image, (1 - piece.organs[0]) * piece.images[0])
    torch.testing.assert_close(losses["reconstruction"].detach(), mse(image, piece.images[0]))
    torch.testing.assert_close(losses["background"].detach(), around)
    torch.testing.assert_close(losses["adversarial"].detach(), persuaded)
    assert weights == {"adversarial": 3.0, "reconstruction": 5.0, "background": 0.0}
    total = made.step(batch())
    expected = 3 * total["adversarial"] + 5 * total["reconstruction"]
    assert total["loss"] == pytest.approx(expected, rel=1e-5)


def test_the_gan_of_noise_alone_knows_no_maps():
    made = system(
        alone(maps=False, invert=False, own_maps=False, network={"name": "unet-gan", "options": {"channels": 2}})
    )
    first, second = (_Piece(batch(seed=seed), made.settings) for seed in (0, 1))
    torch.manual_seed(2)
    given = made._given(first)[0]
    torch.manual_seed(2)
    assert torch.equal(made._given(second)[0], given) and given.min() >= 0.5 and given.max() <= 0.6
    losses, _ = made._drawing(_Drawn(first, *made._given(first)))
    assert set(losses) == {"adversarial"} and set(made.networks) == {"generator", "discriminator"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fuse": True}, "set fuse to no and maps to yes"),
        ({"maps": False, "own_maps": False}, "set fuse to no and maps to yes"),
        ({"maps": False, "invert": False}, "own_maps is for structure maps of a single modality"),
    ],
)
def test_options_of_skrgan_that_do_not_fit_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        alone(**changes)
    with pytest.raises(ValueError, match="own_maps is for structure maps of a single modality"):
        recipe(own_maps=True)


def test_labels_lie_in_the_organ_unless_the_filter_is_off():
    piece = _Piece(batch(), recipe())
    for organ in piece.organs:
        organ[:, :, :, :16] = 0  # half an organ, beside most of the lesions
    inside, anywhere = system(recipe()), system(recipe(fit_lesions=False))
    for made, outside in ((inside, False), (anywhere, True)):
        found = []
        for seed in range(6):
            made._random = np.random.default_rng(seed)
            given, label = made._given(piece)
            background = (given[:, :1] == 0).float()
            assert label.any()
            found.append(bool((label * background).any()))
        assert any(found) == outside


def test_each_phase_changes_its_networks_alone():
    made = system(recipe())
    phases = (
        (0, {"translator", "translator_discriminator", "processor_ct", "processor_pet"}),
        (1, {"generator"}),
        (2, {"generator", "discriminator"}),
    )
    for epoch, wanted in phases:
        made.begin_epoch(epoch)
        before = {name: [w.clone() for w in network.parameters()] for name, network in made.networks.items()}
        losses = made.step(batch())
        changed = {
            name
            for name, network in made.networks.items()
            if any(not torch.equal(old, new) for old, new in zip(before[name], network.parameters(), strict=True))
        }
        assert changed == wanted and np.isfinite(list(losses.values())).all() and losses["loss"] > 0
        assert made.complete == (epoch > 1)


class Forgetful(_Drawn):
    """Keeps no images, as a batch in parts."""

    made = property(lambda self: [], lambda self, images: None)


def test_images_that_are_kept_teach_the_same_as_those_that_are_drawn_again(monkeypatch):
    found = []
    for kind in (_Drawn, Forgetful):
        monkeypatch.setattr(module, "_Drawn", kind)
        torch.manual_seed(0)
        made = system(recipe())
        made.begin_epoch(2)
        losses = made.step(batch())
        found.append((losses, [weight.detach() for weight in made.networks["generator"].parameters()]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    torch.testing.assert_close(found[0][1], found[1][1])


def test_the_generator_learns_to_draw_from_maps():
    made = system(recipe(optimiser={"learning_rate": 1e-2}))
    made.begin_epoch(1)
    losses = [made.step(batch())["reconstruction"] for _ in range(60)]
    assert losses[-1] < 0.3 * losses[0]


def write_cases(folder: Path, roles: tuple[tuple[str, ...], ...]) -> Path:
    """Write phantoms with the images of some roles each, and return their manifest."""
    splits = ("train",) * (len(roles) - 2) + ("val", "test")
    lines = ["case,split,ct,pet,lesion"]
    for number, (present, split) in enumerate(zip(roles, splits, strict=True)):
        ct = phantom_ct((4, 32, 32), seed=number)
        lesion = np.zeros(ct.shape, np.uint8)
        lesion[1:3, 14:18, 14:18] = 1
        images = {"ct": ct, "pet": phantom_pet(ct), "lesion": ct.replace(voxels=lesion, modality="", unit="")}
        for role in present:
            write_volume(images[role], folder / f"{role}{number}.nii.gz")
        cells = [f"{role}{number}.nii.gz" if role in present else "" for role in ("ct", "pet", "lesion")]
        lines.append(f"P{number},{split},{','.join(cells)}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


WHOLE = ("ct", "pet", "lesion")


@pytest.mark.parametrize("registered", [False, True])
def test_without_pairs_no_two_modalities_are_of_one_case(tmp_path, registered):
    manifest, settings = write_cases(tmp_path, (WHOLE,) * 6), recipe(registered=registered)
    cases = [case for case in read_manifest(manifest, ("ct", "pet"), unsplit=False) if case.split == "train"]
    items = ModalitySlices(load_cases(cases, settings, Progress()), settings)
    sources = {role: {case for case, _ in items._slices[role]} for role in ("ct", "pet")}
    assert (sources["ct"] == sources["pet"]) == registered
    assert registered or not sources["ct"] & sources["pet"]
    _, targets, _, _ = items[(0, 1, 0)]
    assert all(image.shape == (1, 32, 32) for image in targets.values()) and len(targets) == 8
    assert torch.equal(targets["ct:structure"], targets["pet:structure"]) == registered
    again = items[(0, 1, 0)][1]
    assert all(torch.equal(targets[name], again[name]) for name in targets)


@pytest.mark.slow
def test_it_trains_in_three_phases_is_published_and_resumes(tmp_path):
    # Cases with one modality alone are enough.
    manifest = write_cases(tmp_path, (("ct", "lesion"), WHOLE, ("ct",), WHOLE, WHOLE, WHOLE))
    whole = train(recipe(), manifest, tmp_path / "whole", device="cpu")
    rows = list(csv.DictReader((tmp_path / "whole" / "metrics.csv").open()))
    assert rows[0]["translator_cycle"] and rows[1]["reconstruction"] and rows[2]["registration"]
    assert float(rows[0]["coarse_ms_ssim_paired"]) > 0 and not rows[0]["val_ms_ssim_paired"]
    model = verify_model(whole)
    assert set(model.card.metrics) == {"val", "test"}
    made = model.network()(torch.zeros(1, 2, 32, 32), torch.tensor([1]))
    assert made.shape == (1, 1, 32, 32)

    def stop(_fraction: float, message: str) -> None:
        if message.startswith("Epoch 3"):
            raise Cancelled

    with pytest.raises(Cancelled):
        train(recipe(), manifest, tmp_path / "stopped", device="cpu", progress=stop)
    resumed = train(recipe(), manifest, tmp_path / "stopped", device="cpu", resume=True)
    weights = [(package / "models" / "model.safetensors").read_bytes() for package in (whole, resumed)]
    assert weights[0] == weights[1]


def test_labels_are_drawn_from_without_a_processor_that_looks_for_them():
    made = system(recipe(translator=None, processor=None, prepare_epochs=0))
    made.begin_epoch(1)
    losses = made.step(batch())
    assert "lesion" not in losses and "registration" not in losses and losses["adversarial"] > 0
    given = made._given(_Piece(batch(), made.settings))
    assert given[1].any() and given[0].shape == (3, 2, 32, 32)


def test_with_classes_the_label_is_the_number_of_the_class_everywhere():
    made = system(recipe(**CLASSES, processor={"name": "lesion-classifier", "options": {"channels": 2, "classes": 2}}))
    made.begin_epoch(2)
    given, label = made._given(_Piece(batch(24), made.settings))
    assert given.shape == (24, 2, 32, 32) and label.flatten(1).std(dim=1).max() == 0
    assert set(label.unique().tolist()) == {0, 1}
    assert made.step(batch())["lesion"] > 0
    assert made.settings.needs.classes == ("normal", "viral")
    targets = {name: image[:, 0].numpy() for name, image in batch(2).targets.items()}
    case = TrainingCase("P", {}, np.ones((2, 32, 32), bool), targets, {"class": 1})
    other = TrainingCase("P", {}, np.ones((2, 32, 32), bool), targets, {"class": 0})
    drawn = [drawn_from(made.generator.eval(), made.settings, 0, each) for each in (case, other)]
    assert not np.array_equal(*drawn)


def test_lesions_can_be_drawn_as_boxes_and_looked_for_by_a_detector(tmp_path):
    options = {"channels": 2, "classes": 1, "size": 64}
    contract = {**recipe().contract.model_dump(mode="json"), "matrix": [64, 64]}
    detector = {"processor": {"name": "lesion-detector", "options": options}, "boxes": True, "lesion_loss": "own"}
    settings = recipe(**detector, contract=contract, augmentation={"crop": 64, "flip": False})
    made = system(settings)
    made.begin_epoch(0)
    large = {name: image.repeat_interleave(2, 2).repeat_interleave(2, 3) for name, image in batch().targets.items()}
    assert made.step(Batch({}, large))["processor"] > 0
    cases = read_manifest(write_cases(tmp_path, (WHOLE,) * 3), ("ct", "pet", "lesion"))
    (prepared,) = load_cases(cases[:1], settings, Progress())
    assert np.array_equal(np.unique(prepared.targets["ct:lesion"]), [0, 1])
    with pytest.raises(MedSynthError, match="for images of 64², not 32²"):
        system(recipe(**detector))


def test_the_fid_is_of_images_drawn_from_the_maps_of_the_cases():
    settings = recipe(choose_by="fid")
    made, images = system(settings), batch(6)
    targets = {name: image[:, 0].numpy() for name, image in images.targets.items()}
    case = TrainingCase("P", {}, np.ones((6, 32, 32), bool), targets)
    network = made.generator.eval()
    shown = SimpleNamespace(network=network)
    found = MultimodalSystem.validate_set(settings, [case, case], shown)
    expected = [
        fid(
            np.concatenate([targets[role]] * 2),
            np.concatenate([drawn_from(network, settings, number, case)[..., 0]] * 2),
        )
        for number, role in enumerate(("ct", "pet"))
    ]
    assert found == {"fid": pytest.approx(np.mean([each.value for each in expected]), rel=1e-6)}
    assert all(some.dtype == np.float32 for sets in sets_of(network, settings, 0, [case]) for some in sets.values())
    assert MultimodalSystem.validate_set(recipe(), [case], shown) == {}


def test_an_intensity_beyond_what_the_generator_draws_is_refused():
    outputs = {"ct": CT_SIDE, "pet": SUV_DRAWN}
    contract = {**recipe().contract.model_dump(mode="json"), "outputs": outputs}
    with pytest.raises(MedSynthError, match=r"outputs.ct.intensity .* from -1 to 1, but its generator draws 0 to 1"):
        system(recipe(contract=contract))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": {"name": "multimodal-generator", "options": {**UNET, "in_channels": 1}}}, "needs in_channels: 2"),
        ({"translator": {"name": "modality-translator", "options": {"channels": 2}}}, "translator .* modalities: 2"),
        (
            {"discriminator": {"name": "multimodal-discriminator", "options": {"channels": 2, "modalities": 0}}},
            "discriminator .* modalities: 2",
        ),
    ],
)
def test_networks_that_do_not_know_the_modalities_are_refused(changes, words):
    with pytest.raises(MedSynthError, match=words):
        system(recipe(**changes))
