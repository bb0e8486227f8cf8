"""Validation compares epochs and models by images from the same noise each time, which is stated here once more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import multimodal_builders
import numpy as np
import structure_builders
import torch
import unconditional_recipes
from torch import Tensor, nn

from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.systems.multimodal import MultimodalSystem
from medsynth_core.systems.structure_vaegan import StructureVAEGANSystem
from medsynth_core.systems.unconditional import UnconditionalSystem, drawn_images


class Recorder(nn.Module):
    """A generator that keeps what it draws from."""

    chosen = 0

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size, self.one, self.given = size, nn.Parameter(torch.ones(())), []

    def forward(self, given: Tensor, *_others: Any) -> Tensor:
        self.given.append(given)
        return torch.zeros(len(given), 1, self.size, self.size)

    def draw(self, code: Tensor) -> tuple[Tensor, Tensor]:
        image = self(code)
        return image, image


def shown(size: int) -> Any:
    return SimpleNamespace(network=Recorder(size))


def test_images_of_validation_are_from_the_same_noise():
    settings = unconditional_recipes.recipe()
    size, latent = settings.generation.side, settings.generation.noise
    case = TrainingCase("P", {}, np.ones((3, size, size), bool), {"ct": np.zeros((3, size, size), np.float32)})
    found = shown(size)
    UnconditionalSystem.validate_set(settings, [case], found)
    drawn = torch.cat(found.network.given)
    assert drawn.shape == (3, latent)
    assert torch.allclose(drawn, expected(latent))


def test_each_image_of_validation_has_its_own_class():
    class OfClasses(Recorder):
        chosen = 3

        def forward(self, given: Tensor, *others: Any) -> Tensor:
            self.classes = [*getattr(self, "classes", []), *others[0].tolist()]
            return Recorder.forward(self, given)

    labels = [number % 3 for number in range(40)]  # more than are drawn at once
    network = OfClasses(16)
    images = list(drawn_images(network, 5, labels, seed=0))
    assert network.classes == labels and sum(len(part[0]) for part in images) == 40


def test_structure_maps_of_validation_are_from_the_same_noise():
    settings = structure_builders.recipe()
    latent = settings.generation.noise
    targets = {name: image[:3, 0].numpy() for name, image in structure_builders.batch(3).targets.items()}
    found = shown(settings.generation.side)
    StructureVAEGANSystem.validate_set(settings, [SimpleNamespace(targets=targets)], found)
    drawn = torch.cat(found.network.given)
    assert drawn.shape == (3, latent)
    assert torch.allclose(drawn, expected(latent))


def expected(latent: int) -> Tensor:
    """Return the codes with the numbers 0 to 2 of the seed 0."""
    generator = torch.Generator().manual_seed(0)
    return torch.stack([torch.randn(latent, generator=generator) for _ in range(3)])


def test_images_from_maps_have_the_same_noise_in_their_organ():
    settings = multimodal_builders.recipe()
    targets = {name: image[:, 0].numpy() for name, image in multimodal_builders.batch(2).targets.items()}
    case = TrainingCase("P", {}, np.ones((2, 32, 32), bool), targets)
    found = shown(32)
    MultimodalSystem.validate(settings, case, found)
    assert len(found.network.given) == 2  # CT and PET
    noise = torch.empty(2, 1, 32, 32).uniform_(0.5, 0.6, generator=torch.Generator().manual_seed(0))
    for role, given in zip(("ct", "pet"), found.network.given, strict=True):
        lines, organ = (torch.from_numpy(targets[f"{role}:{part}"])[:, None] for part in ("structure", "organ"))
        torch.testing.assert_close(given[:, :1], lines + noise * organ * (1 - lines))
