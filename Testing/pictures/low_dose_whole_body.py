"""Draws the README's first picture: python Testing/pictures/low_dose_whole_body.py PET_FOLDER PICTURE.jpg.

``PET_FOLDER`` holds a whole-body PET series. The picture was made from patient STS_001 of the Soft-tissue-Sarcoma
collection of The Cancer Imaging Archive (Resources/Screenshots/NOTICE.md). The series is converted to SUVbw, 1/20 of
its dose is simulated, ``low-dose-pet`` recovers the full dose from that, and a coronal slice through the hottest part
of the chest and abdomen shows input, result, full dose and error.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import medsynth_core as ms
from medsynth_core.figures.display import Plane, Window, difference_window, oriented, planes
from medsynth_core.figures.drawing import (
    Column,
    draw_bars,
    draw_directions,
    draw_lines,
    draw_panel,
    draw_titles,
    new_figure,
    write_png,
)
from medsynth_core.figures.layout import Layout
from medsynth_core.grid import Grid
from medsynth_core.preparation.body import body_box

FACTOR = 20
SEED = 1
# SUVbw that shows liver and vessels in grey and leaves the heart, kidneys and bladder black.
WINDOW = Window("gray_r", 0.0, 5.0, "SUVbw")
# What is above it is the patient, not noise in the air around.
BODY_SUV = 0.3
MARGIN_MM = 10.0
MODEL = "low-dose-pet"
# Of the JPEG: noise takes twice the space as PNG.
QUALITY = 88
CREDIT = (
    f"Full dose and 1/{FACTOR} of it are simulated from the same scan. A crop around this patient's tumour was in the "
    "training data; the rest of the body was not.",
    "Image: patient STS_001, Soft-tissue-Sarcoma collection (Vallières et al. 2015, The Cancer Imaging Archive, "
    "doi:10.7937/K9/TCIA.2015.7GO2GSKS), CC BY 3.0; converted to SUVbw, cropped, dose reduced and recovered.",
)


def volumes(series: Path) -> list[ms.Volume]:
    """Return low dose, result and full dose, cropped to the patient."""
    simulated = ms.simulate_dose(ms.read_volume(series, unit="SUVbw"), [FACTOR], seed=SEED)
    low, full = simulated.low[FACTOR], simulated.full
    made = [low, ms.synthesize(low, model=MODEL), full]
    (i, j, k), (ni, nj, nk) = first, size = body_box(full.voxels > BODY_SUV, MARGIN_MM / Grid.of(full).spacing)
    matrix = Grid.of(full).part(first, size).ijk_to_ras
    return [
        volume.replace(voxels=volume.voxels[k : k + nk, j : j + nj, i : i + ni], ijk_to_ras=matrix, uncertainty=None)
        for volume in made
    ]


def coronal(full: np.ndarray, grid: Grid) -> Plane:
    """Return the coronal plane with the most uptake; single hot voxels count no more than the window shows."""
    row = int(np.minimum(full, WINDOW.high).sum(axis=(0, 2)).argmax())
    middle = (full.shape[0] // 2, row, full.shape[2] // 2)
    return next(plane for plane in planes(grid.oriented(), middle) if plane.name == "coronal")


def draw(series: Path, picture: Path) -> None:
    """Draw the picture and write it as JPEG."""
    made = volumes(series)
    grid = Grid.of(made[-1])
    low, result, full = (oriented(volume.voxels, grid) for volume in made)
    plane = coronal(full, grid)
    error = result - full
    columns = [
        Column(f"Input: 1/{FACTOR} of the dose", low, WINDOW),
        Column(f"Result of {MODEL}", result, WINDOW),
        Column("Full dose", full, WINDOW),
        Column("Result − full dose", error, difference_window([plane.cut(error)], "SUVbw")),
    ]
    layout = Layout(len(columns), [plane], 0, len(CREDIT))
    figure = new_figure(layout.height)
    for number, column in enumerate(columns):
        axes = draw_panel(figure, layout.fraction(layout.panel(0, number)), column, plane, None)
        if number == 0:
            draw_directions(axes, plane, column.window)
    draw_titles(figure, layout, columns)
    draw_bars(figure, layout, columns)
    draw_lines(figure, layout, [], list(CREDIT))
    with tempfile.TemporaryDirectory() as folder:
        drawn = write_png(figure, Path(folder) / "picture.png")
        Image.open(drawn).convert("RGB").save(picture, quality=QUALITY, optimize=True)


def main() -> None:
    """Read the command line and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("series", type=Path)
    parser.add_argument("picture", type=Path)
    arguments = parser.parse_args()
    draw(arguments.series, arguments.picture)
    print(f"The picture is in {arguments.picture}.")


if __name__ == "__main__":
    main()
