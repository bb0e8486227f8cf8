"""Structure maps from noise: drawn at random, and between four of them (figures 15 and 16 of Qu's thesis)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medsynth_core.figures.captions import WARNING
from medsynth_core.figures.drawing import WIDTH, new_figure, write_png
from medsynth_core.generation.from_noise import codes_between
from medsynth_core.generation.generator import Generator

# Maps along each side of both halves of the figure.
SIDE = 6


def map_samples(generator: Generator, seed: int, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Return structure maps from noise.

    Args:
        generator: a model that draws maps.
        seed: of the codes.
        side: maps along a side, at least 2.

    Returns:
        Maps (side, side, rows, columns), drawn at random, and the same number whose corners are four of these, and
        whose codes are at equal distances along each row and column. Values: 0 outside the organ, 0.3 in it, 1 on
        lines.
    """
    random = np.random.default_rng(seed).standard_normal((side, side, generator.contract.noise))
    left, right = (codes_between(random[0, one], random[-1, one], side) for one in (0, -1))
    between = np.stack([codes_between(*ends, side) for ends in zip(left, right, strict=True)])
    return _drawn(generator, random), _drawn(generator, between)


def write_map_samples(generator: Generator, seed: int, path: Path) -> None:
    """Draw the maps of `map_samples`.

    Args:
        generator: a model that draws maps.
        seed: of the codes.
        path: PNG to write.

    Raises:
        MedSynthError: the file cannot be written, or matplotlib is not installed.
    """
    figure = new_figure(WIDTH / 2 + 0.6)
    figure.suptitle(WARNING, color="#b00020", weight="bold")
    titles = ("codes drawn at random", "codes between those of the four corners")
    for axis, title, maps in zip(figure.subplots(1, 2), titles, map_samples(generator, seed), strict=True):
        whole = maps.transpose(0, 2, 1, 3).reshape(len(maps) * maps.shape[2], -1)
        axis.imshow(whole, cmap="gray", vmin=0, vmax=1)
        axis.set_title(title, fontsize=8)
        axis.set_axis_off()
    write_png(figure, path)


def _drawn(generator: Generator, codes: np.ndarray) -> np.ndarray:
    lines, organ = generator.maps(codes.reshape(-1, codes.shape[-1]))
    drawn = np.where(lines, 1.0, 0.3 * organ)
    return drawn.reshape(*codes.shape[:2], *drawn.shape[1:])
