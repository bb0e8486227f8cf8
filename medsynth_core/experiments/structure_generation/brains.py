"""Structure maps of multi-contrast brain MR with lesions, as Figure 11 of Qu's thesis shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medsynth_core.figures.drawing import WIDTH, new_figure, write_png
from medsynth_core.grid import Grid, resample, resample_array
from medsynth_core.io.reading import read_volume
from medsynth_core.structure.fusion import fuse_noise
from medsynth_core.structure.settings import preset
from medsynth_core.structure.volume_maps import structure_of
from medsynth_core.volume import Volume

CONTRASTS = ("T1", "T2", "T1c", "FLAIR")
# Of each data set by its folder: its lesion label, beside the images of its only case.
BRAINS = {
    "glioma-multimodal": "tumour_auto_fused.nii.gz",
    "ms-multimodal-mni": "lesion.nii.gz",
    "stroke-multimodal": "",
}
# The contrast from which maps are extracted, as published.
SOURCE = "FLAIR"


def brain_pictures(case: Path, lesion: str = "") -> dict[str, np.ndarray]:
    """Return pictures (rows, columns; 0 to 1) of an axial slice of a brain, and its structure maps.

    It is the slice with most of the lesion or, without one, of the brain. The pictures are those of the contrasts
    that the case has, ``organ``, ``structure map``, ``without the lesion`` if there is one, and ``with noise``
    (equation 12).

    Args:
        case: folder with an image ``NAME.nii.gz`` for each contrast, of which ``FLAIR`` must be there.
        lesion: name of the file with the lesion label; "" for none.

    Raises:
        MedSynthError: an image cannot be read.
    """
    images = {name: read_volume(_file(case, name), "MR") for name in CONTRASTS if _file(case, name).is_file()}
    source = images[SOURCE]
    planes = {name: _axial(resample(volume, source, order="linear")) for name, volume in images.items()}
    label = _axial(resample(read_volume(case / lesion), source, order="nearest")) != 0 if lesion else None
    where = (planes[SOURCE] > 0) if label is None else label
    number = int(np.argmax(where.sum(axis=(1, 2))))
    shown = {name: _scaled(plane[number]) for name, plane in planes.items()}
    settings, flair = preset("brain-mr"), planes[SOURCE][number]
    whole = structure_of(flair, settings)
    shown |= {"organ": ~whole.background, "structure map": whole.lines}
    lines = whole.lines
    if label is not None:
        lines = structure_of(flair, settings, lesion=label[number]).lines
        shown["without the lesion"] = lines
    shown["with noise"] = fuse_noise(lines, whole.background, np.random.default_rng(1))
    return {name: picture.astype(np.float32) for name, picture in shown.items()}


def write_brains(data: Path, path: Path) -> bool:
    """Draw the brains whose data are there, one row each, and return whether there are any.

    Args:
        data: folder with those of `BRAINS`.
        path: PNG to write.

    Raises:
        MedSynthError: an image cannot be read, the file cannot be written, or matplotlib is not installed.
    """
    rows = {}
    for name, lesion in BRAINS.items():
        for flair in sorted((data / name).rglob(f"{SOURCE}.nii.gz")):
            rows[name] = brain_pictures(flair.parent, lesion)
    if not rows:
        return False
    titles = list(dict.fromkeys(title for row in rows.values() for title in row))
    titles.sort(key=[*CONTRASTS, "organ", "structure map", "without the lesion", "with noise"].index)
    figure = new_figure(WIDTH / len(titles) * len(rows) * 1.3 + 0.4)
    axes = figure.subplots(len(rows), len(titles), squeeze=False)
    for line, (name, row) in zip(axes, rows.items(), strict=True):
        for axis, title in zip(line, titles, strict=True):
            axis.set_axis_off()
            if title in row:
                axis.imshow(row[title], cmap="gray", vmin=0, vmax=1)
                axis.set_title(f"{name}\n{title}" if title == next(iter(row)) else title, fontsize=6)
    figure.tight_layout(pad=0.3, h_pad=1.5)
    write_png(figure, path)
    return True


def _file(case: Path, contrast: str) -> Path:
    return case / f"{contrast}.nii.gz"


def _axial(volume: Volume) -> np.ndarray:
    """Return axial slices, the front of the head at the top and its left on the right."""
    grid = Grid.of(volume)
    return resample_array(volume.voxels, grid, grid.oriented(), order="nearest")


def _scaled(image: np.ndarray) -> np.ndarray:
    """Return an image from 0 to the value that a hundredth of the organ's pixels exceed."""
    top = np.percentile(image[image > 0], 99) if (image > 0).any() else 1.0
    return np.clip(image / top, 0, 1)
