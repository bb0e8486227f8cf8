"""Anatomies from the structure map of a volume, with lesions that are given or drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.generation.anatomy import Anatomy
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.labels import known_label
from medsynth_core.grid import Grid, overlap, resample_array
from medsynth_core.io.picture_volume import read_grey
from medsynth_core.io.pictures import is_picture
from medsynth_core.io.reading import read_volume
from medsynth_core.modality import PICTURE_MODALITIES, modality_name, modality_of_unit
from medsynth_core.preparation.case import model_grid
from medsynth_core.preparation.grid_memory import check_grids
from medsynth_core.preparation.value_checks import assumed_unit, no_activity, not_synthesizable, unusable_ct
from medsynth_core.structure.settings import StructureSettings
from medsynth_core.structure.volume_maps import structure_of
from medsynth_core.systems.structure_source import StructureSource
from medsynth_core.volume import PICTURE, Volume

# Bytes per voxel. On the volume's grid: each result in float32, and while it is written. On the model's: the volume
# with its structure map and masks, and what each image takes from the network to its unit.
OWN_BYTES, MAP_BYTES, IMAGE_BYTES = 8, 24, 12


def anatomy_of(
    generator: Generator,
    volume: Volume,
    settings: StructureSettings | None = None,
    lesion: Volume | None = None,
) -> Anatomy:
    """Return the structure map and organ of a volume, with the label of a lesion in it, on the grid of the model.

    Args:
        generator: the model.
        volume: an image of a modality whose structure maps the model was trained with.
        settings: settings of the structure map; None uses those of the training.
        lesion: label of the lesion, whose own edges are left out of the structure map as in the training; None for
            none.

    Raises:
        MedSynthError: the model does not know the volume's modality or unit, its structure map is empty, or as
            `label_on` and `check_grids`; or the lesion is partly outside the organ, or is not of the size of a picture.
    """
    volume.refuse_error_map("structure maps")
    source = _source(generator, volume)
    if lesion is not None and lesion.is_picture:
        _check_size(volume, lesion)
    grid = model_grid(volume, generator.contract)
    count = len(generator.modalities)
    check_grids(Grid.of(volume), grid, OWN_BYTES * count, MAP_BYTES + IMAGE_BYTES * count)
    label = np.zeros(grid.shape, np.uint8) if lesion is None else label_on(grid, lesion, generator.lesion_kinds)
    voxels = resample_array(volume.voxels.astype(np.float32, copy=False), Grid.of(volume), grid, fill=source.nothing)
    found = structure_of(voxels, settings or source.settings(), lesion=None if lesion is None else label)
    anatomy = Anatomy(found.lines, ~found.background, label, grid)
    _check_inside(anatomy)
    return anatomy


def read_source(generator: Generator, given: Path | Volume, unit: str = "") -> Volume:
    """Return an image to take a structure map from: a volume, or a picture, as those of the training were read.

    Args:
        generator: the model.
        given: the image, what `read_volume` reads, or a picture; of one in colour the channel of the training is read.
        unit: unit of the values, if the file states none.

    Returns:
        For a model of pictures always a picture, which is drawn with the rows and columns of the training.

    Raises:
        MedSynthError: the file cannot be read.
    """
    first = generator.structures[0]
    volume = given if isinstance(given, Volume) else _read(given, first, unit)
    if first.modality in PICTURE_MODALITIES:
        return volume.replace(metadata={**volume.metadata, PICTURE: True})
    return volume


def _read(path: Path, like: StructureSource, unit: str) -> Volume:
    if is_picture(path):
        return read_grey(path, like.modality, unit or like.unit, like.channel)
    return read_volume(path, unit=unit)


def assumption(generator: Generator, volume: Volume) -> str:
    """Return the sentence on the unit that is assumed of a volume that states none; "" if it states one.

    Raises:
        MedSynthError: as `anatomy_of`.
    """
    source = _source(generator, volume)
    return "" if volume.unit else assumed_unit(source.unit, source.modality)


def label_on(grid: Grid, lesion: Volume, kinds: int = 1) -> np.ndarray:
    """Return the label of a lesion on a grid, uint8, with the values of the training.

    Args:
        grid: grid of the model.
        lesion: label, 0 for no lesion.
        kinds: as for `known_label`.

    Raises:
        MedSynthError: the label is empty, does not lie in the grid, or has a value that the model does not know.
    """
    own = Grid.of(lesion)
    if not lesion.voxels.any():
        raise MedSynthError("The lesion label is empty; draw a lesion.", kind="input")
    label = np.zeros(grid.shape, np.uint8)
    if overlap(own, grid):
        label = resample_array(known_label(lesion.voxels, kinds), own, grid, order="nearest")
    if not label.any():
        raise MedSynthError(
            "The lesion label does not lie in the volume, or is smaller than its voxels; check that both belong to the "
            "same patient and frame of reference.",
            kind="input",
        )
    return label


def _check_size(picture: Volume, lesion: Volume) -> None:
    """Check that a mask has the size of a picture, which has no place in the patient that could tell them apart.

    Raises:
        MedSynthError: it has another.
    """
    own, wanted = (" × ".join(str(side) for side in volume.shape[1:]) for volume in (lesion, picture))
    if own != wanted:
        raise MedSynthError(
            f"The lesion mask has {own} pixels, but the picture has {wanted}; choose the mask of this picture.",
            kind="input",
        )


def _check_inside(anatomy: Anatomy) -> None:
    """Check that a lesion is inside the organ.

    Raises:
        MedSynthError: a part of it is not.
    """
    outside = (anatomy.label != 0) & ~anatomy.organ
    if outside.any():
        slices = np.flatnonzero(outside.any(axis=(1, 2)))
        share = np.count_nonzero(outside) / np.count_nonzero(anatomy.label)
        raise MedSynthError(
            f"{share:.0%} of the lesion label lies outside the organ (in {len(slices)} slices, the first at "
            f"{_height(anatomy.grid, slices[0]):.0f} mm); draw it inside the body, or lower gamma.",
            kind="input",
        )


def _height(grid: Grid, k: int) -> float:
    """Return the height of a slice in the patient, mm above the origin."""
    return float(grid.ijk_to_ras[2] @ [0, 0, k, 1])


def _source(generator: Generator, volume: Volume) -> StructureSource:
    """Return the structure source of the training with the modality and unit of a volume.

    A volume that states neither is taken for the only kind of image that the model knows, or for a CT if its values are
    those of one.

    Raises:
        MedSynthError: there is none, it is not known which, or the values are not those of such an image.
    """
    sources = generator.structures
    fitting = [
        source for source in sources if volume.modality in ("", source.modality) and volume.unit in ("", source.unit)
    ]
    known = " or ".join(dict.fromkeys(f"{modality_name(each.modality)} in {each.unit}" for each in sources))
    kind = modality_name(volume.modality or modality_of_unit(volume.unit), "of unknown modality")
    own = f"{kind} in {volume.unit or 'an unknown unit'}"
    if not fitting:
        raise MedSynthError(
            f"The volume is {own}, but the model '{generator.model.name}' draws from the structure of {known}; choose "
            "another volume.",
            kind="input",
        )
    if len(fitting) > 1:
        ct = [source for source in fitting if source.unit == "HU" and not unusable_ct(volume.voxels)]
        if not ct:
            raise MedSynthError(
                f"The volume is {own}, and the model '{generator.model.name}' draws from the structure of {known}; "
                "state the unit of the volume.",
                kind="input",
            )
        fitting = ct
    _check_values(volume, fitting[0])
    return fitting[0]


def _check_values(volume: Volume, source: StructureSource) -> None:
    """Check that the values of a volume are those of an image of a source.

    Raises:
        MedSynthError: they are not.
    """
    found = not_synthesizable(volume.voxels)
    if not found and source.unit == "HU":
        found = unusable_ct(volume.voxels)
    if not found and source.modality == "PT":
        found = no_activity(volume.voxels, source.unit)
    if found:
        raise MedSynthError(found[0], kind="input")
