"""Filters that make a noisy PET smoother without having learnt anything: what any network must beat."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.restoration import denoise_nl_means

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.pixel import psnr
from medsynth_core.io.table import write_rows
from medsynth_core.preparation.grid import Grid
from medsynth_core.volume import Volume


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian that is as wide in every direction of the patient.

    Attributes:
        sigma: standard deviation in mm.
    """

    sigma: float

    def __call__(self, volume: Volume) -> Volume:
        """Return the volume smoothed, float32."""
        width = self.sigma / Grid.of(volume).spacing[::-1]
        return volume.replace(voxels=gaussian_filter(volume.voxels.astype(np.float32), width))

    def __str__(self) -> str:
        return f"σ {self.sigma:g} mm"


@dataclass(frozen=True)
class NonLocalMeans:
    """Non-local means (Buades et al. 2005): means of voxels, weighted by how alike their neighbourhoods are.

    Attributes:
        cutoff: how far neighbourhoods may differ, in the unit of the volume.
        patch: side of a neighbourhood in voxels.
        distance: how far away a neighbourhood is looked for, in voxels.
    """

    cutoff: float
    patch: int
    distance: int

    def __call__(self, volume: Volume) -> Volume:
        """Return the volume smoothed, float32."""
        voxels = volume.voxels.astype(np.float32)
        made = denoise_nl_means(voxels, self.patch, self.distance, self.cutoff, fast_mode=True)
        return volume.replace(voxels=made.astype(np.float32, copy=False))

    def __str__(self) -> str:
        return f"h {self.cutoff:g}, patch {self.patch}, distance {self.distance}"


Filter = Gaussian | NonLocalMeans
GAUSSIANS = tuple(Gaussian(sigma) for sigma in np.arange(0.5, 8.01, 0.25).tolist())
NON_LOCAL_MEANS = tuple(
    NonLocalMeans(0.02 * 2**step, patch, distance) for patch in (3, 5) for distance in (1, 2, 3) for step in range(9)
)

FILTERS: dict[str, tuple[Filter, ...]] = {"gaussian": GAUSSIANS, "non-local means": NON_LOCAL_MEANS}
# By kind and dose reduction factor.
Chosen = dict[str, dict[float, Filter]]


def best(candidates: Sequence[Filter], pairs: Sequence[tuple[Volume, Volume]]) -> Filter:
    """Return the filter with the highest mean PSNR, the range being that of each reference.

    Args:
        candidates: one or more filters.
        pairs: noisy volume and reference, of one or more cases.
    """
    return max(candidates, key=lambda candidate: mean_psnr(candidate, pairs))


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
    """Return what `write_filters` wrote.

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
