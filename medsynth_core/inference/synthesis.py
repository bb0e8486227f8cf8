"""Synthesis of volumes by a model, on the grid of the first input."""

from __future__ import annotations

import time
from pathlib import Path

from medsynth_core.inference.loaded_model import LoadedModel
from medsynth_core.inference.prediction import predict
from medsynth_core.inference.steps import Inputs, Synthesis
from medsynth_core.models.library import load_model
from medsynth_core.models.package import Model
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.volume import Volume

AnyModel = str | Path | Model | LoadedModel


def synthesize(
    volume: Inputs,
    model: AnyModel = "ct-to-pet",
    *,
    device: str = "auto",
    batch_size: int | None = None,
    uncertainty: bool = False,
    progress: Progress | ProgressCallback | None = None,
) -> Volume:
    """Return the synthetic volume of ``model`` for ``volume``.

    Args:
        volume: input that fits the model's contract. If its modality or unit is not stated, it is inferred from the
            values; the assumption is reported in ``metadata["log"]`` and ``input_unit_stated``. For a model with
            several inputs, a mapping by role, ``{"pet": pet, "ct": ct}``; the result lies on the grid of the first.
        model: name in the library, folder of a package, a model, or one whose network is in memory.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``. If it runs out of memory, the batch size is halved
            and finally the CPU is used; both are reported in ``metadata["log"]``.
        batch_size: slices per batch; None chooses by the device.
        uncertainty: also set ``uncertainty``: the usual error at this value, that is, the root mean square error of the
            model in its validation cases at the same output value (and, for low-dose PET, at the probable doses of
            the input). It is not a bound, and it depends neither on the patient nor on the place.
        progress: called as ``progress(fraction, message)``; may raise `Cancelled`.

    Returns:
        Float32 volume in the unit of the model's output, ``ijk_to_ras`` bit-equal to the input's; 0 (in HU: air)
        outside the body, to within a voxel of the model's grid. ``metadata`` contains its provenance.

    Raises:
        MedSynthError: the volume does not fit the contract, there is no such model or device, the package is damaged,
            the model has several outputs (use `synthesize_all`), or memory does not suffice.
        Cancelled: the progress callback requested a stop.
    """
    model = _found(model)
    _model_of(model).synthesis.contract.check_one_output()
    made = synthesize_all(
        volume, model, device=device, batch_size=batch_size, uncertainty=uncertainty, progress=progress
    )
    return next(iter(made.values()))


def synthesize_all(
    volumes: Inputs,
    model: AnyModel,
    *,
    device: str = "auto",
    batch_size: int | None = None,
    uncertainty: bool = False,
    progress: Progress | ProgressCallback | None = None,
) -> dict[str, Volume]:
    """Return the synthetic volumes of ``model`` by role; arguments and errors as for `synthesize`.

    ``uncertainty`` is set for the first output only.
    """
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    started = time.monotonic()
    found = _found(model)
    study = Synthesis(volumes, _model_of(found), uncertainty=uncertainty)
    progress(0.0, "Loading the model")
    predictor = LoadedModel.load(found).predictor(device, batch_size)
    progress(0.03, "Preparing the volume")
    prepared = study.prepare(progress)
    predicted = predict(predictor, prepared, study.recording(progress.part(0.05, 0.95)))
    progress(0.95, "Returning to the grid of the volume")
    results = study.finish(predicted, time.monotonic() - started, progress)
    progress(1.0, "Done")
    return results


def _found(model: AnyModel) -> Model | LoadedModel:
    return model if isinstance(model, (Model, LoadedModel)) else load_model(model)


def _model_of(found: Model | LoadedModel) -> Model:
    return found.model if isinstance(found, LoadedModel) else found
