"""Dose simulation in projection space: activity → coincidences → thinned coincidences → images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from medsynth_core.progress import Progress
from medsynth_core.simulation.attenuation import survival
from medsynth_core.simulation.checking import FEWEST_COUNTS
from medsynth_core.simulation.counts import draw_counts
from medsynth_core.simulation.projector import Projector, make_projector
from medsynth_core.simulation.reconstruction import fbp, osem, smooth
from medsynth_core.simulation.scanned_object import ScannedObject
from medsynth_core.simulation.settings import DoseSettings

# Pixels per block of slices.
BLOCK = 2**20


@dataclass(frozen=True, eq=False)
class Doses:
    """Images of one noise realisation.

    Attributes:
        images: (k, j, i) float32 in the unit of the activity; the full dose first, then one for each factor.
        counts: number of coincidences (true and background) of each image.
        facts: scan geometry and statistics, for provenance.
    """

    images: list[np.ndarray]
    counts: list[int]
    facts: dict[str, float | int | str]


def project_doses(
    scanned: ScannedObject, factors: Sequence[float], settings: DoseSettings, seed: int, progress: Progress
) -> Doses:
    """Simulate a scanner that measures parallel rays in each slice, and reconstruct its images.

    The activity is not blurred before projection, because an image from a scanner already is.

    Args:
        scanned: activity and attenuation.
        factors: dose reduction factors above 1, ascending.
        settings: counts, reconstruction and filter.
        seed: random seed; each slice has its own random generator, seeded with this and the slice number.
        progress: receives a report for every block of slices.

    Raises:
        MedSynthError: the slices are too large to project.
        Cancelled: the user has cancelled the job.
    """
    progress(0.0, "Preparing the projection")
    activity, spacing = scanned.activity, scanned.spacing
    projector = make_projector(activity.shape[1:], (spacing[1], spacing[0]), subsets=settings.subsets)
    scan = _Scan(projector, activity, scanned.attenuation, settings)
    images = np.zeros((1 + len(factors), *activity.shape), dtype=np.float32)
    counts = np.zeros(1 + len(factors), dtype=np.int64)
    low_count_slices = 0
    scale = np.array([1.0, *factors], dtype=np.float32) / scan.sensitivity
    for done, chosen in scan.blocks():
        progress(0.05 + 0.9 * done, "Simulating counts and reconstructing")
        passing, expected, background = scan.expect(chosen)
        trues = expected.sum(axis=0) - background * len(expected)
        low_count_slices += int(np.count_nonzero(trues < FEWEST_COUNTS * factors[-1]))
        counted = np.stack(
            [draw_counts(expected[:, n], factors, np.random.default_rng([seed, k])) for n, k in enumerate(chosen)],
            axis=-1,
        )
        counts += counted.sum(axis=(1, 2))
        measured = counted.astype(np.float32).swapaxes(0, 1)
        means = (background / np.array([1.0, *factors])[:, None]).astype(np.float32)
        if settings.reconstruction == "osem":
            found = osem(projector, measured, passing, means, settings.iterations)
        else:
            corrected = (measured - means) / passing[:, None]
            found = fbp(projector, corrected.reshape(len(corrected), -1)).reshape(-1, *means.shape)
        found *= scale[:, None]
        images[:, chosen] = np.moveaxis(found, 0, -1).reshape(*means.shape, *activity.shape[1:])
    progress(0.95, "Filtering")
    for image in images:
        image[:] = smooth(image, settings.filter_mm, spacing)
    if low_count_slices and settings.reconstruction == "osem":
        progress.log(
            f"At 1/{factors[-1]:g} of the dose, {low_count_slices} slices have fewer than {FEWEST_COUNTS} "
            "coincidences, so OSEM loses part of their activity."
        )
    return Doses(list(images), [int(n) for n in counts], {**scan.facts(), "slices_of_few_counts": low_count_slices})


class _Scan:
    """Expected counts of a scan."""

    def __init__(
        self, projector: Projector, activity: np.ndarray, attenuation: np.ndarray | None, settings: DoseSettings
    ) -> None:
        self._projector = projector
        self._activity, self._attenuation = activity, attenuation
        self._background = settings.background / (1 - settings.background)
        self._active = np.flatnonzero(activity.any(axis=(1, 2)))
        trues = sum(self._trues(chosen)[1].sum(dtype=np.float64) for _, chosen in self.blocks())
        # Counts per unit of activity and mm of ray.
        self.sensitivity = np.float32(settings.counts * self._active.size / trues)

    def blocks(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield blocks of slices with activity, each with the fraction already done."""
        size = max(1, BLOCK // self._activity[0].size)
        for first in range(0, self._active.size, size):
            yield first / self._active.size, self._active[first : first + size]

    def expect(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return attenuation factors and mean counts (angles × bins, slices), and mean background per bin (slices)."""
        passing, trues = self._trues(chosen)
        expected = trues.astype(np.float64) * self.sensitivity
        background = expected.mean(axis=0) * self._background
        return passing, expected + background, background

    def facts(self) -> dict[str, float | int | str]:
        """Return the scan geometry, for provenance."""
        return {
            "angles": int(self._projector.angles.size),
            "bins": self._projector.bins,
            "bin_mm": round(float(self._projector.bin_mm), 4),
            "slices_with_activity": int(self._active.size),
        }

    def _trues(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        trues = self._projector.forward(_columns(self._activity[chosen]))
        if self._attenuation is None:
            return np.ones_like(trues), trues
        passing = survival(self._projector, _columns(self._attenuation[chosen]))
        return passing, trues * passing


def _columns(slices: np.ndarray) -> np.ndarray:
    """Return slices (k, j, i) as columns of pixels, float32."""
    return np.ascontiguousarray(slices.reshape(len(slices), -1).T, dtype=np.float32)
