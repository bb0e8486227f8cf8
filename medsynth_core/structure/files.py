"""Structure maps from file to file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.pictures import Channel, check_picture_place, is_picture, read_picture, write_picture
from medsynth_core.io.reading import read_volume
from medsynth_core.io.segmentation import Segment, is_segmentation, write_segmentation
from medsynth_core.io.writing import check_distinct, check_output, write_labelled
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.structure.settings import StructureSettings
from medsynth_core.structure.volume_maps import structure_labels, structure_of, structure_of_volume

SEGMENTS = (Segment("structure", 1, (1.0, 1.0, 0.0)), Segment("background", 2, (0.3, 0.3, 0.3)))
BACKGROUND = (Segment("background", 1, (0.3, 0.3, 0.3)),)


@dataclass(frozen=True)
class StructureFiles:
    """Input and output files of a structure map.

    Attributes:
        image: image file, DICOM folder or picture.
        output: label map to write (1 on lines), segmentation (``.seg.nrrd``) of lines and background, or, for a
            picture, a PNG (white lines).
        background: file to write the background mask to; None to omit it.
        lesion: mask of lesions, whose own edges are left out; None if there is none.
        channel: channel of a colour picture.
    """

    image: Path
    output: Path
    background: Path | None = None
    lesion: Path | None = None
    channel: Channel | None = None

    @property
    def written(self) -> list[Path]:
        """The files to write."""
        return [path for path in (self.output, self.background) if path is not None]


def write_structure(
    files: StructureFiles,
    settings: StructureSettings,
    *,
    solid: bool = False,
    progress: Progress | ProgressCallback | None = None,
) -> dict[str, float]:
    """Find the structure of an image file, and write it.

    Args:
        files: input and output files.
        settings: parameters of both algorithms.
        solid: find edges in three dimensions instead of in axial slices.
        progress: called as ``progress(fraction, message)``.

    Returns:
        Shares of the image: ``lines``, and ``background``.

    Raises:
        MedSynthError: as `structure_of_volume`; or a file cannot be read or written, or is named twice; or an option
            is not one for pictures or for volumes.
        Cancelled: the progress callback asked to stop.
    """
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    check_distinct([path for path in (files.image, files.lesion, *files.written) if path is not None])
    write = _of_picture if is_picture(files.image) else _of_volume
    return write(files, settings, solid, progress)


def _of_picture(
    files: StructureFiles, settings: StructureSettings, solid: bool, progress: Progress
) -> dict[str, float]:
    if solid:
        raise MedSynthError(
            f"{files.image} is a picture of two dimensions; choose edges of slices, not of volumes.", kind="settings"
        )
    for path in files.written:
        check_picture_place(path)
    progress(0.0, "Reading the picture")
    lesion = None if files.lesion is None else read_picture(files.lesion) != 0
    image = read_picture(files.image, files.channel)
    progress(0.3, "Finding the structure")
    found = structure_of(image, settings, lesion=lesion)
    progress(0.9, "Writing the result")
    for path, mask in zip(files.written, (found.lines, found.background), strict=False):
        write_picture(mask, path)
    return _shares(found.lines, found.background)


def _of_volume(files: StructureFiles, settings: StructureSettings, solid: bool, progress: Progress) -> dict[str, float]:
    if files.channel is not None:
        raise MedSynthError(
            f"{files.image} is not a picture, so it has no channels; leave the channel out.", kind="settings"
        )
    progress(0.0, "Reading the volume")
    volume = read_volume(files.image)
    lesion = None if files.lesion is None else read_volume(files.lesion)
    for path in files.written:
        check_output(volume, path)
    progress(0.3, "Finding the structure")
    lines, background = structure_of_volume(volume, settings, lesion=lesion, solid=solid)
    progress(0.9, "Writing the result")
    if is_segmentation(files.output):
        write_segmentation(structure_labels(lines, background), SEGMENTS, files.output)
    else:
        write_labelled(lines, files.output)
    if files.background is not None and is_segmentation(files.background):
        write_segmentation(background, BACKGROUND, files.background)
    elif files.background is not None:
        write_labelled(background, files.background)
    return _shares(lines.voxels, background.voxels)


def _shares(lines: np.ndarray, background: np.ndarray) -> dict[str, float]:
    return {"lines": float(lines.mean()), "background": float(background.mean())}
