"""Time of structure maps beside the same steps with SciPy and scikit-image, slice by slice; both results are equal.

    python Testing/benchmarks/structure_maps.py [--slices 300]

Exits with 1 if MedSynth takes more than a fifth of the time, or if a pixel differs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
from scipy import ndimage
from skimage.filters import gaussian
from skimage.transform import resize

from medsynth_core.structure.maps import background_mask, structure_map
from medsynth_core.structure.settings import StructureSettings

# Those of X-rays, whose masks are smoothed most, but for the threshold of the edges, which SciPy does not find itself.
SETTINGS = StructureSettings(alpha=0.05, gamma=0.15, background_median=17)
ASKED = 5.0


def body(slices: int, side: int = 512) -> np.ndarray:
    """Return a body with organs and noise: (slices, side, side), int16."""
    random = np.random.default_rng(0)
    y, x = np.meshgrid(*[np.linspace(-1, 1, side)] * 2, indexing="ij")
    image = np.full((slices, side, side), -1000.0, np.float32)
    for k in range(slices):
        image[k][(y / 0.7) ** 2 + (x / 0.9) ** 2 < 1] = 40
        for _ in range(8):
            cy, cx, radius = *random.uniform(-0.4, 0.4, 2), random.uniform(0.05, 0.2)
            image[k][(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = random.uniform(-200, 1000)
        image[k] += random.normal(0, 15, image[k].shape)
    return image.astype(np.int16)


def step_by_step(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return structure map and background mask of a volume, by the steps of the thesis with library functions."""
    low, high = image.min(), image.max()
    found = [_slice(one, low, high) for one in image]
    return np.stack([lines for lines, _ in found]), np.stack([mask for _, mask in found])


def _slice(image: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    x = (image - np.float64(low)) / (np.float64(high) - low)
    down, across = (ndimage.sobel(x, axis=axis, mode="mirror") for axis in (0, 1))
    weakest, strongest = (_unit(edges) for edges in (np.minimum(down, across), np.maximum(down, across)))
    weakest, strongest = (_blurred(edges, SETTINGS.sigma1) for edges in (weakest, strongest))
    alpha = SETTINGS.alpha
    lines = (weakest.mean() - weakest > alpha) | (strongest - strongest.mean() > alpha)
    lines = _blurred(lines.astype(np.float64), SETTINGS.sigma2) > SETTINGS.beta
    lines = ndimage.median_filter(lines.astype(np.uint8), SETTINGS.median, mode="constant") > 0
    inside = (x > SETTINGS.gamma).astype(np.uint8)
    grown = resize(
        inside, [n + SETTINGS.grow for n in x.shape], order=0, preserve_range=True, anti_aliasing=False
    ).astype(np.uint8)
    first = SETTINGS.grow // 2
    inside = grown[first : first + x.shape[0], first : first + x.shape[1]]
    inside = ndimage.median_filter(inside, SETTINGS.background_median, mode="constant") > 0
    return lines & inside, ~inside


def _unit(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / (values.max() - values.min())


def _blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    return gaussian(image, sigma, mode="mirror", truncate=1.0 / sigma, preserve_range=True)


def ours(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the same with MedSynth."""
    background = background_mask(image, SETTINGS)
    return structure_map(image, SETTINGS, background=background), background


def timed(function: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], image: np.ndarray):
    """Return the result of a function, and the seconds it took."""
    start = time.perf_counter()
    return function(image), time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=300)
    image = body(parser.parse_args().slices)
    theirs, slow = timed(step_by_step, image)
    made, fast = timed(ours, image)
    differing = [int((one != other).sum()) for one, other in zip(made, theirs, strict=True)]
    ratio = slow / fast
    print(f"{image.shape}: step by step {slow:.1f} s, MedSynth {fast:.1f} s; ratio {ratio:.1f} (asked: {ASKED:g})")
    print(f"lines on {made[0].mean():.1%}, background on {made[1].mean():.1%}; pixels that differ: {differing}")
    return 0 if ratio >= ASKED and not any(differing) else 1


if __name__ == "__main__":
    sys.exit(main())
