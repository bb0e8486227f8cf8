"""What a network gave for prepared inputs, and how it was computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsynth_core.inference.predictor import AnyPredictor, window_side
from medsynth_core.inference.slab_predictor import SlabPredictor
from medsynth_core.preparation.case import Prepared
from medsynth_core.progress import Progress


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network gave for the inputs of one synthesis.

    Attributes:
        mapped: (outputs, k, j, i) float32 network values on the grid of the prepared inputs.
        device: where it was computed in the end.
        backend: what computed it in the end: ``torch``, ``openvino``, or the runtime of a network of others.
        batch_size: slices or windows at once, in the end.
        window_side: in-plane size (voxels) of the windows; None if slices were not divided.
        probabilities: of each of the contract's dose factors; None if the network does not distinguish doses.
    """

    mapped: np.ndarray
    device: str
    backend: str
    batch_size: int
    window_side: int | None
    probabilities: np.ndarray | None


def predict(predictor: AnyPredictor, prepared: Prepared, progress: Progress) -> Prediction:
    """Run a network over prepared inputs; errors as those of the predictor."""
    mapped = predictor(prepared.stacked, progress, prepared.boxes)
    if note := predictor.backend.note():
        progress.log(note)
    shares = predictor.probabilities if isinstance(predictor, SlabPredictor) else None
    # A network of others runs in a runtime of its own.
    backend = str(getattr(predictor.network, "runtime", "")) or predictor.backend.name
    return Prediction(mapped, str(predictor.device), backend, predictor.batch_size, window_side(predictor), shares)
