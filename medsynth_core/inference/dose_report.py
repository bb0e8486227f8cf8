"""Estimated dose and preserved activity of a synthetic full-dose PET."""

from __future__ import annotations

from typing import Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.grid import Grid, resample_array
from medsynth_core.inference.activity import is_activity_kept, is_body_complete
from medsynth_core.preparation.case import Prepared
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.progress import Progress
from medsynth_core.volume import Volume


def _check_shares(shares: np.ndarray) -> None:
    if not np.isfinite(shares).all():
        raise MedSynthError(
            "The probabilities of the doses that the model gives are not finite numbers, so the model cannot be used "
            "for this volume; check the values of the volume, and the model with 'medsynth models verify'.",
            kind="model",
        )


def of_dose(
    contract: SynthesisContract,
    shares: np.ndarray | None,
    volume: Volume,
    prepared: Prepared,
    result: np.ndarray,
    progress: Progress,
) -> dict[str, Any]:
    """Return the provenance entries of a full-dose PET made from a low-dose PET; {} for models with another input.

    ``dose_reduction_factor`` is the factor that the network finds most probable, ``dose_probabilities`` are the
    probabilities by factor, ``activity_ratio`` is the total activity of the synthetic PET over that of the input in
    the body, and ``activity_outside`` is the fraction of the input's activity outside the body (usually noise), where
    the synthetic PET is 0. A ratio off by more than 2 % and a fraction above 10 % are logged.

    Args:
        contract: contract of the model.
        shares: probability of each of the contract's dose factors; None if unknown.
        volume: the input.
        prepared: the input on the model's grid.
        result: voxels (k, j, i) of the synthetic PET on the input's grid, in its unit.
        progress: receives the log messages.

    Raises:
        MedSynthError: a probability is not finite.
    """
    found: dict[str, Any] = {}
    if contract.input.modality != "PT":
        return found
    if shares is not None and contract.dose_factors:
        _check_shares(shares)
        by_factor = dict(zip(contract.dose_factors, shares.tolist(), strict=True))
        found["dose_reduction_factor"] = max(by_factor, key=lambda factor: by_factor[factor])
        found["dose_probabilities"] = {f"{factor:g}": round(share, 4) for factor, share in by_factor.items()}
        factor = found["dose_reduction_factor"]
        looks = "the full dose" if factor == 1 else f"a dose reduced by a factor of {factor:g}"
        progress.log(f"The input looks like {looks}.")
    # On the input's grid, where users measure.
    body = resample_array(prepared.body, prepared.grid, Grid.of(volume), order="nearest", fill=0)
    before = float(volume.voxels.sum(dtype=np.float64))
    inside = float(volume.voxels.sum(dtype=np.float64, where=body))
    ratio, outside = float(result.sum(dtype=np.float64)) / inside, 1 - inside / before
    found |= {"activity_ratio": round(ratio, 4), "activity_outside": round(outside, 4)}
    if not is_activity_kept(found["activity_ratio"]):
        progress.log(
            f"The synthetic PET contains {ratio:.1%} of the input's activity in the body, a deviation of more than "
            "2 %: do not measure uptake in it."
        )
    if not is_body_complete(found["activity_outside"]):
        progress.log(
            f"{outside:.1%} of the input's activity lies outside the detected body, where the synthetic PET is 0: "
            "check whether part of the patient is missing."
        )
    return found
