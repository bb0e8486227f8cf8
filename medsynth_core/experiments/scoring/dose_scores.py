"""Scores of recovered PET, on the whole grid of the input, against the full dose of the same counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medsynth_core.datasets.manifest import Case
from medsynth_core.evaluation.report import evaluate
from medsynth_core.grid import Grid, resample
from medsynth_core.io.reading import read_volume
from medsynth_core.metrics.dose import activity_ratio
from medsynth_core.preparation.body import activity_mask
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.training.simulated_doses import simulate_case
from medsynth_core.volume import Volume

UPTAKE = ("suvmax_error", "suvmean_error", "suvpeak_error", "tlg_error")
DOSE_METRICS = ("psnr", "ssim", "nrmse_minmax", *(f"{name}_size" for name in UPTAKE), *UPTAKE, "activity_ratio")


@dataclass(frozen=True, eq=False)
class DoseCase:
    """A case with its full dose and simulated lower doses.

    Attributes:
        full: PET of the full dose (SUVbw).
        low: PET by dose reduction factor, on the same grid.
        lesion: the tumour on that grid.
    """

    name: str
    full: Volume
    low: dict[float, Volume]
    lesion: Volume

    def scores(self, made: Volume, factor: float) -> dict[str, float]:
        """Return the metrics of a PET recovered from a low-dose PET.

        Args:
            made: result of a method.
            factor: dose reduction factor of the PET that the method was given.

        Returns:
            ``psnr`` (dB), ``ssim`` (3-D) and ``nrmse_minmax`` over all voxels with the full dose's own range, as Xue et
            al. (2023) measure; the lesion's errors of uptake in percent (``suvmax_error`` …) and their absolute values
            (``suvmax_error_size`` …), because signed errors cancel out in a mean over patients; ``activity_ratio``, the
            activity in the body over that of the full dose there (noise puts some into the air); and
            ``dose_accuracy``, 1 if the method names the right factor and 0 if another, for methods that name one.
        """
        found = evaluate(made, self.full, lesion=self.lesion, preset="pet_minmax").metrics
        uptake = {name: found[name] for name in UPTAKE if name in found}
        named = made.metadata.get("dose_reduction_factor")
        return {
            "psnr": found["psnr"],
            "ssim": found["ssim"],
            "nrmse_minmax": found["nrmse_minmax"],
            **{f"{name}_size": abs(value) for name, value in uptake.items()},
            **uptake,
            "activity_ratio": activity_ratio(self.full.voxels, made.voxels, self._body),
            **({} if named is None else {"dose_accuracy": float(named == factor)}),
        }

    @cached_property
    def _body(self) -> np.ndarray:
        return activity_mask(self.full.voxels, Grid.of(self.full).spacing, 0)


def dose_case(case: Case, recipe: Recipe) -> DoseCase:
    """Simulate the doses of a recipe from the PET of a case that has the role ``lesion``.

    Raises:
        MedSynthError: a file cannot be read, or as `simulate_case`.
    """
    made = simulate_case(case, recipe)
    lesion = resample(read_volume(case.files["lesion"]), made.full, order="nearest")
    return DoseCase(case.name, made.full, made.low, lesion)
