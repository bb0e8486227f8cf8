"""What a model that recovers full dose says of the dose, and whether it kept the activity."""

from __future__ import annotations

from typing import Any

import numpy as np

from medsynth_core.inference.choice import AnyPredictor
from medsynth_core.inference.slabs import SlabPredictor
from medsynth_core.preparation.case import Prepared
from medsynth_core.preparation.contract import Contract
from medsynth_core.preparation.grid import move
from medsynth_core.progress import Progress
from medsynth_core.volume import Volume

# Share of the activity in the body that may be lost or won before the user is told.
ACTIVITY_TOLERANCE = 0.02
# At a hundredth of the dose 7 % of a whole body's activity lie in the air, as noise; more may be a part of the patient.
OUTSIDE_TOLERANCE = 0.1


def probabilities(predictor: AnyPredictor) -> np.ndarray | None:
    """Return how probable each of the contract's dose factors is for what was predicted last; None if unknown."""
    return predictor.probabilities if isinstance(predictor, SlabPredictor) else None


def of_dose(
    contract: Contract,
    predictor: AnyPredictor,
    volume: Volume,
    prepared: Prepared,
    result: np.ndarray,
    progress: Progress,
) -> dict[str, Any]:
    """Return what belongs into the provenance of a full-dose PET that was made from a low-dose one; {} for others.

    ``dose_reduction_factor`` is the one that the network finds most probable and ``dose_probabilities`` those of all,
    by factor; ``activity_ratio`` is the total of the synthetic PET over that of the input in the body, and
    ``activity_outside`` the share of the input's that lies in the air around, as noise does, where the synthetic PET
    is 0. A ratio off by more than 2 %, and more than 10 % outside, are logged.

    Args:
        contract: of the model.
        predictor: after it has run.
        volume: the input.
        prepared: the input as the model saw it.
        result: (k, j, i) of the synthetic PET on the same grid, in its unit.
        progress: reports.
    """
    found: dict[str, Any] = {}
    if contract.input.modality != "PT" or contract.output.modality != "PT":
        return found
    shares = probabilities(predictor)
    if shares is not None and contract.dose_factors:
        by_factor = dict(zip(contract.dose_factors, shares.tolist(), strict=True))
        found["dose_reduction_factor"] = max(by_factor, key=lambda factor: by_factor[factor])
        found["dose_probabilities"] = {f"{factor:g}": round(share, 4) for factor, share in by_factor.items()}
        factor = found["dose_reduction_factor"]
        looks = "the full dose" if factor == 1 else f"a dose reduced by a factor of {factor:g}"
        progress.log(f"The input looks like {looks}.")
    # In the user's voxels, as there it is measured.
    body = move(prepared.body, prepared.grid, prepared.source, order="nearest", fill=0)
    before = float(volume.voxels.sum(dtype=np.float64))
    inside = float(volume.voxels.sum(dtype=np.float64, where=body))
    ratio, outside = float(result.sum(dtype=np.float64)) / inside, 1 - inside / before
    found |= {"activity_ratio": round(ratio, 4), "activity_outside": round(outside, 4)}
    if abs(ratio - 1) > ACTIVITY_TOLERANCE:
        progress.log(
            f"The synthetic PET holds {ratio:.1%} of the activity that the input has in the body, more than 2 % off: "
            "do not measure uptake in it."
        )
    if outside > OUTSIDE_TOLERANCE:
        progress.log(
            f"{outside:.1%} of the activity of the input lies outside the body, where the synthetic PET is 0: look "
            "whether a part of the patient is missing in it."
        )
    return found
