"""The images that the network of a generator draws, in their units."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.generation.anatomy import Anatomy
from medsynth_core.generation.generator import AT_ONCE, Generator
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.structure.fusion import NOISE
from medsynth_core.systems.multimodal_input import generator_input
from medsynth_core.systems.multimodal_settings import MultimodalSettings

if TYPE_CHECKING:
    import torch

# The networks that draw from maps take sides that are multiples of this.
MULTIPLE = 8


def images_of(
    generator: Generator, anatomy: Anatomy, random: np.random.Generator, kind: int = 0
) -> dict[str, np.ndarray]:
    """Return the images that a model of the system ``multimodal`` draws of an anatomy.

    Args:
        generator: the model.
        anatomy: structure map, organ and lesion label. Sides that are no multiple of 8 are padded, and cut again.
        random: source of the noise that fills the map (equation 12 of Qu's thesis), the same for all modalities.
        kind: number of the class, for a model with classes.

    Returns:
        float32 (k, j, i) in their units by the names of `channels_of`: an image in colour is three of them.

    Raises:
        MedSynthError: an image is not finite.
    """
    import torch

    given = _input(generator, anatomy, random, kind)
    with torch.inference_mode():
        made = torch.cat([_drawn(generator, part) for part in given.split(AT_ONCE)])
    return _in_units(generator, made[..., : anatomy.shape[1], : anatomy.shape[2]])


def images_of_codes(generator: Generator, codes: np.ndarray, kind: int = 0) -> dict[str, np.ndarray]:
    """Return the images that a model of the system ``unconditional`` draws of codes (k, latent), as `images_of`.

    Raises:
        MedSynthError: an image is not finite.
    """
    import torch

    made = []
    with torch.inference_mode():
        for part in torch.from_numpy(codes.astype(np.float32)).to(generator.device).split(AT_ONCE):
            made.append(generator.network(part, *([_numbers(part, kind)] if generator.classes else [])))
    return _in_units(generator, torch.cat(made))


def _input(generator: Generator, anatomy: Anatomy, random: np.random.Generator, kind: int) -> torch.Tensor:
    """Return what the network draws from, with the number of the class everywhere in place of a lesion label."""
    import torch

    noise = random.uniform(*NOISE, size=anatomy.shape).astype(np.float32)
    four = [anatomy.lines, anatomy.organ, anatomy.label, noise]
    lines, organ, label, noisy = (torch.from_numpy(_padded(part.astype(np.float32)))[:, None] for part in four)
    if generator.classes:
        label = torch.full_like(label, kind)
    return generator_input(cast(MultimodalSettings, generator.settings), lines, organ, label, noisy).to(
        generator.device
    )


def _drawn(generator: Generator, given: torch.Tensor) -> torch.Tensor:
    """Return the images of all modalities, one behind the other as channels: (n, channels, h, w)."""
    import torch

    count = len(generator.modalities)
    if count == 1:
        return generator.network(given)
    return generator.network(given, torch.arange(count, device=given.device).expand(len(given), -1)).flatten(1, 2)


def _numbers(like: torch.Tensor, number: int) -> torch.Tensor:
    """Return a number for each item of a batch."""
    import torch

    return torch.full((len(like),), number, dtype=torch.long, device=like.device)


def _in_units(generator: Generator, mapped: torch.Tensor) -> dict[str, np.ndarray]:
    """Return the channels (k, channels, j, i) of network values as images in their units by name."""
    values = mapped.float().cpu().numpy()
    if not np.isfinite(values).all():
        raise MedSynthError(
            f"The model '{generator.model.name}' made an image that is not finite (NaN or infinite); do not use it.",
            kind="model",
        )
    sides = channels_of(generator.contract.outputs).items()
    return {
        name: side.intensity.inverse(values[:, number]).astype(np.float32) for number, (name, side) in enumerate(sides)
    }


def _padded(part: np.ndarray) -> np.ndarray:
    rows, columns = (-side % MULTIPLE for side in part.shape[1:])
    return np.pad(part, ((0, 0), (0, rows), (0, columns)))
