"""A generated case as volumes, and its files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.generation.anatomy import Anatomy
from medsynth_core.generation.generator import Generator
from medsynth_core.grid import Grid, resample_array
from medsynth_core.io.atomic import make_folder
from medsynth_core.io.pictures import write_picture
from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import write_labelled
from medsynth_core.modality import modality_name
from medsynth_core.version import __version__
from medsynth_core.volume import Volume

NOTICE = "Synthetic image, not for diagnosis."


@dataclass(frozen=True, eq=False)
class GeneratedCase:
    """Registered synthetic images with what they were drawn from.

    Attributes:
        images: synthetic images by role, in their units.
        masks: ``structure``, ``background`` and ``lesion``, uint8, on the same grid.
    """

    images: dict[str, Volume]
    masks: dict[str, Volume]

    @property
    def volumes(self) -> dict[str, Volume]:
        """Masks and images by name."""
        return {**self.masks, **self.images}

    @property
    def redrawn(self) -> tuple[str, ...]:
        """Why structure maps were drawn again before this one, by the keys of `from_noise.REASONS`."""
        return tuple(self.masks["structure"].metadata.get("redrawn", ()))

    @property
    def lesion_centre(self) -> tuple[float, float, float] | None:
        """Centre of mass of the lesion label, mm in RAS; None without a lesion."""
        label = self.masks["lesion"]
        if not label.voxels.any():
            return None
        i, j, k = np.argwhere(label.voxels).mean(axis=0)[::-1]
        x, y, z = (label.ijk_to_ras @ [i, j, k, 1.0])[:3]
        return float(x), float(y), float(z)


def generated_case(
    generator: Generator,
    anatomy: Anatomy,
    random: np.random.Generator,
    facts: Mapping[str, Any],
    grid: Grid | None = None,
) -> GeneratedCase:
    """Return the images of an anatomy.

    Args:
        generator: the model.
        anatomy: structure map, organ and lesion label.
        random: source of the noise in the structure map.
        facts: further facts for the metadata of every volume.
        grid: grid of the result; None for that of the anatomy. Images are interpolated linearly, masks are those of
            the nearest voxel.

    Raises:
        MedSynthError: as `Generator.images`.
    """
    made, target = generator.images(anatomy, random), grid or anatomy.grid
    images, sides = {}, generator.contract.outputs
    for role, voxels in made.items():
        side = sides[role]
        moved = resample_array(voxels, anatomy.grid, target, fill=side.nothing) if grid is not None else voxels
        told = f"synthetic {modality_name(side.modality)} ({role}), {side.unit}, {generator.model.name}"
        metadata = {**_provenance(generator, told), **facts}
        images[role] = Volume(moved.astype(np.float32), target.ijk_to_ras, side.modality, side.unit, metadata)
    masks = {}
    for name, mask in anatomy.masks().items():
        fill = 1 if name == "background" else 0
        moved = resample_array(mask, anatomy.grid, target, fill=fill, order="nearest") if grid is not None else mask
        told = f"{name} of synthetic images, {generator.model.name}"
        masks[name] = Volume(moved, target.ijk_to_ras, unit="1", metadata={**_provenance(generator, told), **facts})
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


def read_case(files: Mapping[str, Path], modalities: Collection[str]) -> GeneratedCase:
    """Return a case from the files that `write_case` wrote, without a lesion where there is no file for one.

    Raises:
        MedSynthError: a file cannot be read.
    """
    found = {name: read_volume(path) for name, path in files.items()}
    images = {name: volume for name, volume in found.items() if name in modalities}
    masks = {name: volume for name, volume in found.items() if name not in modalities}
    structure = masks["structure"]
    masks.setdefault("lesion", structure.replace(voxels=np.zeros_like(structure.voxels)))
    return GeneratedCase(images, masks)


def write_case(case: GeneratedCase, files: Mapping[str, Path], generator: Generator) -> None:
    """Write the volumes of a case, each atomically.

    Args:
        case: the case.
        files: file by name of the volume; pictures (PNG) show the range of the model's images as 0 to 255.
        generator: the model, for that range.

    Raises:
        MedSynthError: a file cannot be written.
    """
    for name, path in files.items():
        make_folder(path.parent)
        volume = case.volumes[name]
        if path.suffix != ".png":
            write_labelled(volume, path)
            continue
        grey = volume.voxels[0] if name in case.masks else _grey(volume.voxels[0], *value_range(generator, name))
        write_picture(grey.astype(bool) if name in ("structure", "background") else grey, path)


def value_range(generator: Generator, role: str) -> tuple[float, float]:
    """Return the values of an image that are 0 and 255 in a picture: the range that the model was trained for."""
    side = generator.contract.outputs[role]
    low, high = side.intensity.inverse(np.array(side.intensity.mapped, dtype=np.float32))
    return float(low), float(high)


def _grey(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((values - low) / (high - low) * 255 + 0.5, 0, 255).astype(np.uint8)
