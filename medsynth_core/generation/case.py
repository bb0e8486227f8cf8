"""A generated case as volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medsynth_core.generation.generator import Generator
from medsynth_core.grid import Grid, Order, resample_array
from medsynth_core.modality import modality_name
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.version import __version__
from medsynth_core.volume import Volume

NOTICE = "Synthetic image, not for diagnosis."


@dataclass(frozen=True, eq=False)
class GeneratedCase:
    """Registered synthetic images with what they were drawn from.

    Attributes:
        images: synthetic images in their units, by role; one in colour is three, ``role:red``, ``role:green`` and
            ``role:blue``.
        masks: ``structure``, ``background`` and ``lesion``, uint8, on the same grid; {} if they are drawn from noise
            alone.
    """

    images: dict[str, Volume]
    masks: dict[str, Volume]

    @property
    def volumes(self) -> dict[str, Volume]:
        """Masks and images by name."""
        return {**self.masks, **self.images}

    @property
    def first(self) -> Volume:
        """A volume of the case: all have the same grid, and the same facts about the case in their metadata."""
        return next(iter(self.volumes.values()))

    @property
    def class_name(self) -> str:
        """Name of its class; "" for a model without classes."""
        return str(self.first.metadata.get("class", ""))

    @property
    def redrawn(self) -> tuple[str, ...]:
        """Why structure maps were drawn again before this one, by the keys of `from_noise.REASONS`."""
        return tuple(self.first.metadata.get("redrawn", ()))

    @property
    def lesion_centre(self) -> tuple[float, float, float] | None:
        """Centre of mass of the lesion label, mm in RAS; None without a lesion."""
        label = self.masks.get("lesion")
        if label is None or not label.voxels.any():
            return None
        i, j, k = np.argwhere(label.voxels).mean(axis=0)[::-1]
        x, y, z = (label.ijk_to_ras @ [i, j, k, 1.0])[:3]
        return float(x), float(y), float(z)


@dataclass(frozen=True, eq=False)
class Drawn:
    """What a model has drawn, on its own grid.

    Attributes:
        images: (k, j, i) in their units by the names of `channels_of`.
        masks: ``structure``, ``background`` and ``lesion``, uint8; {} if it draws from noise alone.
        grid: their grid.
        facts: facts about the case for the metadata of every volume.
    """

    images: Mapping[str, np.ndarray]
    masks: Mapping[str, np.ndarray]
    grid: Grid
    facts: Mapping[str, Any] = field(default_factory=dict)


def case_of(generator: Generator, drawn: Drawn, target: Grid | None = None) -> GeneratedCase:
    """Return what was drawn as volumes with their provenance.

    Args:
        generator: the model.
        drawn: images and masks.
        target: grid of the result; None for that of what was drawn. Images are interpolated linearly, masks are those
            of the nearest voxel.
    """
    grid = target or drawn.grid

    def moved(voxels: np.ndarray, fill: float, order: Order) -> np.ndarray:
        return voxels if target is None else resample_array(voxels, drawn.grid, grid, fill=fill, order=order)

    images, name = {}, generator.model.name
    for channel, side in channels_of(generator.contract.outputs).items():
        told = f"synthetic {modality_name(side.modality)} ({channel}), {side.unit}, {name}"
        voxels = moved(drawn.images[channel], side.nothing, "linear").astype(np.float32)
        facts = {**_provenance(generator, told), **drawn.facts}
        images[channel] = Volume(voxels, grid.ijk_to_ras, side.modality, side.unit, facts)
    masks = {}
    for part, mask in drawn.masks.items():
        facts = {**_provenance(generator, f"{part} of synthetic images, {name}"), **drawn.facts}
        voxels = moved(mask, 1 if part == "background" else 0, "nearest")
        masks[part] = Volume(voxels, grid.ijk_to_ras, unit="1", metadata=facts)
    return GeneratedCase(images, masks)


def _provenance(generator: Generator, description: str) -> dict[str, Any]:
    model = generator.model
    return {
        "synthetic": True,
        "description": f"{description}, not for diagnosis",
        "notice": NOTICE,
        "model": model.name,
        "model_version": model.metadata.version,
        "weights_sha256": model.card.weights.sha256,
        "data_licence": model.card.data_licence,
        "limits": list(model.card.limits),
        "medsynth_version": __version__,
    }
