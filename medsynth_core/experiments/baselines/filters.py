"""Denoising filters for PET, as baselines for networks."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.restoration import denoise_nl_means

from medsynth_core.errors import MedSynthError
from medsynth_core.grid import Grid
from medsynth_core.io.table import write_rows
from medsynth_core.metrics.pixel import psnr
from medsynth_core.volume import Volume

# Step of the Gaussians' widths.
STEP_MM = 0.25
# Non-local means: the largest patch and distance of the search, in voxels. The time grows with the distance cubed.
LARGEST_PATCH, LARGEST_DISTANCE = 21, 6


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian filter, isotropic in millimetres.

    Attributes:
        sigma: standard deviation in mm.
    """

    sigma: float

    def neighbours(self) -> list[Gaussian]:
        """Return the filters one step of the search away."""
        return [Gaussian(sigma) for sigma in (self.sigma - STEP_MM, self.sigma + STEP_MM) if sigma > 0]

    @property
    def limit(self) -> str:
        """What cannot be raised any further; empty, because a Gaussian may be of any width."""
        return ""

    def __call__(self, volume: Volume) -> Volume:
        """Return the volume smoothed, float32."""
        width = self.sigma / Grid.of(volume).spacing[::-1]
        return volume.replace(voxels=gaussian_filter(volume.voxels.astype(np.float32), width))

    def __str__(self) -> str:
        return f"σ {self.sigma:g} mm"


@dataclass(frozen=True)
class NonLocalMeans:
    """Non-local means (Buades et al. 2005): means of voxels, weighted by the similarity of their neighbourhoods.

    Attributes:
        cutoff: scale of the difference at which weights fall off (h), in the unit of the volume.
        patch: side of a neighbourhood in voxels.
        distance: largest distance searched, in voxels.
    """

    cutoff: float
    patch: int
    distance: int

    def neighbours(self) -> list[NonLocalMeans]:
        """Return the filters one step of the search away, none beyond `LARGEST_PATCH` and `LARGEST_DISTANCE`."""
        found = [replace(self, cutoff=self.cutoff / 2), replace(self, cutoff=self.cutoff * 2)]
        patches = [patch for patch in (self.patch - 2, self.patch + 2) if 1 <= patch <= LARGEST_PATCH]
        distances = [by for by in (self.distance - 1, self.distance + 1) if 1 <= by <= LARGEST_DISTANCE]
        found += [replace(self, patch=patch) for patch in patches]
        return found + [replace(self, distance=distance) for distance in distances]

    @property
    def limit(self) -> str:
        """What cannot be raised any further: the patch, the distance or both."""
        at = {"patch": self.patch >= LARGEST_PATCH, "distance": self.distance >= LARGEST_DISTANCE}
        return " and ".join(name for name, reached in at.items() if reached)

    def __call__(self, volume: Volume) -> Volume:
        """Return the volume smoothed, float32."""
        voxels = volume.voxels.astype(np.float32)
        made = denoise_nl_means(voxels, self.patch, self.distance, self.cutoff, fast_mode=True)
        return volume.replace(voxels=made.astype(np.float32, copy=False))

    def __str__(self) -> str:
        return f"h {self.cutoff:g}, patch {self.patch}, distance {self.distance}"


Filter = Gaussian | NonLocalMeans
# Where the search for the best filter begins; from the best of these it goes on in single steps, also to others.
GAUSSIANS = tuple(Gaussian(sigma) for sigma in np.arange(0.5, 8.01, STEP_MM).tolist())
NON_LOCAL_MEANS = tuple(
    NonLocalMeans(0.02 * 2**step, patch, distance) for patch in (3, 7) for distance in (1, 3) for step in range(9)
)

FILTERS: dict[str, tuple[Filter, ...]] = {"gaussian": GAUSSIANS, "non-local means": NON_LOCAL_MEANS}
# By kind and dose reduction factor.
Chosen = dict[str, dict[float, Filter]]


def found_best(start: Sequence[Filter], pairs: Sequence[tuple[Volume, Volume]]) -> Filter:
    """Return a filter with a higher mean PSNR than every neighbour, found from the best of ``start``.

    The best filter is never merely the one at the edge of a grid, because the search leaves ``start`` where that is
    better. Only
    `LARGEST_PATCH` and `LARGEST_DISTANCE` end it; `NonLocalMeans.limit` says if they did.

    Args:
        start: one or more filters.
        pairs: noisy volume and reference, of one or more cases.
    """
    reached: dict[Filter, float] = {}

    def score(one: Filter) -> float:
        if one not in reached:
            reached[one] = mean_psnr(one, pairs)
        return reached[one]

    chosen = max(start, key=score)
    while (step := max(chosen.neighbours(), key=score)) and score(step) > score(chosen):
        chosen = step
    return chosen


def mean_psnr(method: Callable[[Volume], Volume], pairs: Sequence[tuple[Volume, Volume]]) -> float:
    """Return the mean PSNR in dB of a method over pairs of a noisy volume and its reference."""
    return float(np.mean([psnr(real.voxels, method(low).voxels, float(np.ptp(real.voxels))) for low, real in pairs]))


def write_filters(chosen: Chosen, path: Path) -> None:
    """Write the filter of each kind and dose reduction factor as CSV."""
    rows = [
        {"kind": kind, "drf": factor, "name": name, "value": value}
        for kind, by_factor in chosen.items()
        for factor, one in by_factor.items()
        for name, value in asdict(one).items()
    ]
    write_rows(rows, path)


def read_filters(path: Path) -> Chosen:
    """Read filters written by `write_filters`.

    Raises:
        MedSynthError: there is no such file.
    """
    if not path.is_file():
        raise MedSynthError(f"There is no {path}; run the experiment low-dose-pet with the same output folder first.")
    settings: dict[str, dict[float, dict[str, float]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            of_factor = settings.setdefault(row["kind"], {}).setdefault(float(row["drf"]), {})
            of_factor[row["name"]] = float(row["value"])
    return {
        kind: {factor: _filter(values) for factor, values in by_factor.items()} for kind, by_factor in settings.items()
    }


def _filter(values: dict[str, float]) -> Filter:
    if "sigma" in values:
        return Gaussian(values["sigma"])
    return NonLocalMeans(values["cutoff"], int(values["patch"]), int(values["distance"]))
