"""From a volume to the synthetic volume of a model, on the same grid."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core import __version__
from medsynth_core.inference.choice import AnyPredictor, create_predictor, window_side
from medsynth_core.inference.device import choose_device
from medsynth_core.inference.dose import of_dose, probabilities
from medsynth_core.inference.memory import check_memory
from medsynth_core.inference.uncertainty import expected_error
from medsynth_core.models.library import load_model
from medsynth_core.models.package import Model
from medsynth_core.preparation.case import Prepared, prepare
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.volume import Volume


def synthesize(
    volume: Volume,
    model: str | Path | Model = "ct-to-pet",
    *,
    device: str = "auto",
    batch_size: int | None = None,
    uncertainty: bool = False,
    progress: Progress | ProgressCallback | None = None,
) -> Volume:
    """Return the synthetic volume of ``model`` for ``volume``.

    Args:
        volume: what the model's contract asks for; an unstated modality or unit is judged by the values, and what they
            are taken for is said in ``metadata["log"]`` and under ``input_unit_stated``.
        model: name in the library, folder of a package, or a loaded model.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``. When its memory runs out the batch is
            halved, and in the end the CPU takes over; both are said in ``metadata["log"]``.
        batch_size: slices at once; None chooses by the device.
        uncertainty: also fill ``uncertainty``: the root mean square error that the model had in its validation
            cases where it gave the same value (and, of low-dose PET, at the doses that the input may have). It is no
            bound, and knows nothing of the patient at hand.
        progress: called as ``progress(fraction, message)``; may raise `Cancelled`.

    Returns:
        Float32 volume in the unit of the model's output, ``ijk_to_ras`` bit-equal to the input's; 0 outside the
        body, to within a voxel of the model's grid. ``metadata`` holds its provenance.

    Raises:
        MedSynthError: the volume does not fit, no such model or device, a damaged package, or no memory.
        Cancelled: the progress callback asked to stop.
    """
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    started = time.monotonic()
    model = model if isinstance(model, Model) else load_model(model)
    contract = model.contract
    stated, assumption = bool(volume.unit), contract.assumption(volume)
    volume = contract.check(volume)
    check_memory(volume, contract)
    log: list[str] = []
    recording = _recording(progress.part(0.05, 0.95), log)
    if assumption:
        recording.log(assumption)
    progress(0.0, "Loading the model")
    predictor = create_predictor(model.network(), contract, choose_device(device), batch_size)
    progress(0.03, "Preparing the volume")
    prepared = prepare(volume, contract).narrowed(contract)
    if volume.is_synthetic:
        recording.log("The input is itself synthetic, so the errors of its model are part of the result.")
    mapped = predictor(prepared.voxels, recording)
    progress(0.95, "Returning to the grid of the volume")
    values = _inside(contract.output.intensity.inverse(mapped), prepared)
    del mapped  # a whole body at 2 mm has hundreds of megabytes
    restored = prepared.restore(values)
    result = volume.replace(
        voxels=restored,
        modality=contract.output.modality,
        unit=contract.output.unit,
        metadata={
            **_provenance(model, volume, predictor, time.monotonic() - started, log),
            "input_unit_stated": stated,
            **of_dose(contract, predictor, volume, prepared, restored, recording),
        },
        uncertainty=None,
    )
    if uncertainty:
        spread = _inside(expected_error(values, model.card, probabilities(predictor)), prepared)
        described = {**result.metadata, "description": f"expected error of {result.metadata['description']}"}
        result = result.replace(uncertainty=result.replace(voxels=prepared.restore(spread), metadata=described))
    progress(1.0, "Done")
    return result


def _inside(values: np.ndarray, prepared: Prepared) -> np.ndarray:
    """Return ``values`` in the body and 0 outside: there is nothing to see in air and in the table."""
    values = values.astype(np.float32, copy=False)
    values[~prepared.body] = 0
    return values


def _recording(progress: Progress, log: list[str]) -> Progress:
    """Return ``progress`` that also keeps what is logged."""

    def keep(message: str) -> None:
        log.append(message)
        progress.log(message)

    return Progress(progress, log=keep)


def _provenance(
    model: Model, volume: Volume, predictor: AnyPredictor, seconds: float, log: list[str]
) -> dict[str, Any]:
    contract = model.contract
    return {
        "synthetic": True,
        "description": f"synthetic {contract.output.modality}, {contract.output.unit}, {model.name}, not for diagnosis",
        "notice": "Synthetic image, not for diagnosis.",
        "model": model.name,
        "model_version": model.metadata.version,
        "weights_sha256": model.card.weights.sha256,
        "limits": list(model.card.limits),
        "medsynth_version": __version__,
        "input_modality": volume.modality,
        "input_unit": volume.unit,
        "source": volume.metadata,
        "device": str(predictor.device),
        "batch_size": predictor.batch_size,
        "window_side": window_side(predictor),
        "seconds": round(seconds, 2),
        "log": log,
    }
