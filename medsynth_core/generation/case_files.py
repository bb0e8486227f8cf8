"""The files of a generated case: volumes, or pictures."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from medsynth_core.generation.case import GeneratedCase
from medsynth_core.generation.generator import Generator
from medsynth_core.io.atomic import make_folder
from medsynth_core.io.pictures import is_readable, write_picture
from medsynth_core.io.reading import read_volume
from medsynth_core.io.sidecar import sidecar_path
from medsynth_core.io.writing import write_labelled
from medsynth_core.modality import PICTURE_MODALITIES
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.volume import Volume

# The highest value of the pictures that most generators of pictures are trained with.
WHITE = 255.0


def is_whole(files: Mapping[str, Path]) -> bool:
    """Return whether the files that `write_case` writes are there, and those of pictures can be read."""
    return all(
        is_readable(path) if path.suffix == ".png" else path.is_file() and sidecar_path(path).is_file()
        for path in files.values()
    )


def read_case(files: Mapping[str, Path], modalities: Collection[str]) -> GeneratedCase:
    """Return a case of grey images from the files that `write_case` wrote, without a lesion where there is none.

    Raises:
        MedSynthError: a file cannot be read.
    """
    found = {name: read_volume(path) for name, path in files.items()}
    images = {name: volume for name, volume in found.items() if name in modalities}
    masks = {name: volume for name, volume in found.items() if name not in modalities}
    if masks:
        structure = masks["structure"]
        masks.setdefault("lesion", structure.replace(voxels=np.zeros_like(structure.voxels)))
    return GeneratedCase(images, masks)


def write_case(case: GeneratedCase, files: Mapping[str, Path], generator: Generator) -> None:
    """Write the volumes of a case, each atomically.

    Args:
        case: the case.
        files: file by name of the mask or role of the image; pictures (PNG) are those of `pictures_of`.
        generator: the model.

    Raises:
        MedSynthError: a file cannot be written.
    """
    for name, path in files.items():
        make_folder(path.parent)
        if path.suffix != ".png":
            write_labelled(case.volumes[name], path)
        elif name in case.masks:
            mask = case.masks[name]
            shown = mask.voxels[0]
            write_picture(shown if name == "lesion" else shown != 0, path, _texts(mask))
        else:
            (first, *_) = channels_of({name: generator.contract.outputs[name]})
            write_picture(pictures_of(case, generator, name)[0], path, _texts(case.images[first]))


def _texts(volume: Volume) -> dict[str, str]:
    """Return what a picture says of itself: that it is synthetic, by which model, and the licence of the data."""
    facts = volume.metadata
    return {
        "Description": f"{facts['notice']} {facts['description']}",
        "Software": f"MedSynth {facts['medsynth_version']}, {facts['model']} {facts['model_version']}",
        "Copyright": str(facts["data_licence"]),
    }


def pictures_of(case: GeneratedCase, generator: Generator, role: str) -> np.ndarray:
    """Return the slices of an image as pictures, uint8: (k, j, i), in colour (k, j, i, 3)."""
    low, high = value_range(generator, role)
    names = list(channels_of({role: generator.contract.outputs[role]}))
    values = np.stack([case.images[name].voxels for name in names], axis=-1)
    shown = np.clip((values - low) / (high - low) * 255 + 0.5, 0, 255).astype(np.uint8)
    return shown if len(names) > 1 else shown[..., 0]


def value_range(generator: Generator, role: str) -> tuple[float, float]:
    """Return the values of an image that are 0 and 255 in a picture.

    They are the range that the model was trained for. Images that it learned from pictures of 0 to 255 keep their
    values, so that the generated pictures can be used beside these.
    """
    side = generator.contract.outputs[role]
    low, high = (float(end) for end in side.intensity.inverse(np.array(side.intensity.mapped, dtype=np.float32)))
    return (0.0, WHITE) if side.modality in PICTURE_MODALITIES and high <= WHITE else (low, high)
