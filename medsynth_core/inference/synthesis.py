"""Synthesis of volumes by a model, on the grid of the first input."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.compute.device import choose_device
from medsynth_core.grid import Grid
from medsynth_core.inference.dose_report import of_dose, probabilities
from medsynth_core.inference.finite import check_finite
from medsynth_core.inference.memory_check import check_memory
from medsynth_core.inference.predictor import AnyPredictor, create_predictor, window_side
from medsynth_core.inference.uncertainty import check_error_known, expected_error, with_usual_error
from medsynth_core.io.identifiers import without_identifiers
from medsynth_core.models.library import load_model
from medsynth_core.models.package import Model
from medsynth_core.preparation.averaging import Averaging, averaging_of
from medsynth_core.preparation.case import Prepared, prepare
from medsynth_core.preparation.contract import Side, SynthesisContract
from medsynth_core.preparation.unit_limits import unit_doubts
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.version import __version__
from medsynth_core.volume import Volume

Inputs = Volume | Mapping[str, Volume]


def synthesize(
    volume: Inputs,
    model: str | Path | Model = "ct-to-pet",
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
        model: name in the library, folder of a package, or a loaded model.
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
    model = model if isinstance(model, Model) else load_model(model)
    model.synthesis.contract.check_one_output()
    made = synthesize_all(
        volume, model, device=device, batch_size=batch_size, uncertainty=uncertainty, progress=progress
    )
    return next(iter(made.values()))


def synthesize_all(
    volumes: Inputs,
    model: str | Path | Model,
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
    model = model if isinstance(model, Model) else load_model(model)
    contract = model.synthesis.contract
    if uncertainty:
        check_error_known(model.synthesis)
    given = contract.volumes(volumes)
    notes = [note for role, volume in given.items() for note in contract.notes(volume, role)]
    stated = all(volume.unit for volume in given.values())
    given = {role: contract.check(volume, role) for role, volume in given.items()}
    source = _Source.of(given, contract)
    check_memory(source.first, contract, source.used[contract.input_role])
    log: list[str] = []
    recording = _recording(progress.part(0.05, 0.95), log)
    for note in notes:
        recording.log(note)
    progress(0.0, "Loading the model")
    predictor = create_predictor(model.network(), contract, choose_device(device), batch_size)
    progress(0.03, "Preparing the volume")
    prepared = prepare(source.used, contract).narrowed(contract)
    if any(volume.is_synthetic for volume in given.values()):
        recording.log("The input is itself synthetic, so the result also contains the errors of its model.")
    mapped = predictor(prepared.stacked, recording, prepared.boxes)
    progress(0.95, "Returning to the grid of the volume")
    results: dict[str, Volume] = {}
    for number, (role, side) in enumerate(contract.outputs.items()):
        # Before the inverse mapping, which would clip infinite values to plausible ones.
        check_finite(mapped[number], prepared.grid, prepared.source, model.name)
        values = _inside(side.intensity.inverse(mapped[number]), prepared, side)
        restored = source.restore(prepared.restore(values, side.nothing))
        check_finite(restored, Grid.of(source.first), Grid.of(source.first), model.name)
        # Each result keeps its own warnings beside the shared ones.
        own = list(log)
        metadata = {
            **_provenance(model, given, predictor, time.monotonic() - started, own),
            **_described(model, contract, role, source),
            "input_unit_stated": stated,
        }
        telling = _recording(progress, own)
        for doubt in unit_doubts(restored, side.modality, side.unit):
            telling.log(doubt)
        if side.modality == "PT":
            metadata |= of_dose(contract, predictor, source.first, prepared, restored, telling)
        results[role] = source.first.replace(
            voxels=restored, modality=side.modality, unit=side.unit, metadata=metadata, uncertainty=None
        )
        if uncertainty and number == 0:
            errors = _usual_error(values, prepared, model, predictor)
            results[role] = with_usual_error(results[role], source.restore(errors), model.name)
    progress(1.0, "Done")
    return results


@dataclass(frozen=True, eq=False)
class _Source:
    """The inputs of a synthesis.

    Attributes:
        first: the first input, on whose grid the results lie.
        used: the inputs by role that the network gets; the first is averaged if its voxels are finer than the model's.
        averaging: how the first input is averaged; None if it is used as it is.
    """

    first: Volume
    used: Mapping[str, Volume]
    averaging: Averaging | None

    @classmethod
    def of(cls, given: Mapping[str, Volume], contract: SynthesisContract) -> _Source:
        first = given[contract.input_role]
        averaging = averaging_of(first, contract)
        used = given if averaging is None else {**given, contract.input_role: averaging.apply(first)}
        return cls(first, used, averaging)

    def restore(self, voxels: np.ndarray) -> np.ndarray:
        """Return voxels on the grid of the used first input on that of the given one."""
        return voxels if self.averaging is None else self.averaging.restore(voxels)


def _usual_error(values: np.ndarray, prepared: Prepared, model: Model, predictor: AnyPredictor) -> np.ndarray:
    """Return the usual error at the values (k, j, i) of a result, on the grid of the prepared input's source."""
    errors = expected_error(values, model.synthesis, probabilities(predictor))
    errors[~prepared.body] = 0
    return prepared.restore(errors)


def _inside(values: np.ndarray, prepared: Prepared, side: Side) -> np.ndarray:
    """Return ``values`` inside the body mask and air outside, where only air and the table are."""
    values = values.astype(np.float32, copy=False)
    values[~prepared.body] = side.nothing
    return values


def _recording(progress: Progress, log: list[str]) -> Progress:
    """Return ``progress`` that also appends messages to ``log``."""

    def keep(message: str) -> None:
        log.append(message)
        progress.log(message)

    return Progress(progress, log=keep)


def _described(model: Model, contract: SynthesisContract, role: str, source: _Source) -> dict[str, Any]:
    side, averaging = contract.outputs[role], source.averaging
    which = f" ({role})" if len(contract.outputs) > 1 else ""
    facts = {} if averaging is None else averaging.facts()
    # The mark comes before the size, as files may cut the end off.
    size = "" if averaging is None else f", at {averaging.size()} mm"
    return {
        "description": f"synthetic {side.modality}{which}, {side.unit}, {model.name}, not for diagnosis{size}",
        **facts,
    }


def _provenance(
    model: Model, given: Mapping[str, Volume], predictor: AnyPredictor, seconds: float, log: list[str]
) -> dict[str, Any]:
    first, *others = given.values()
    further = (
        {"inputs": {role: without_identifiers(volume.metadata) for role, volume in given.items()}} if others else {}
    )
    return {
        "synthetic": True,
        "description": "",
        "notice": "Synthetic image, not for diagnosis.",
        "model": model.name,
        "model_version": model.metadata.version,
        "weights_sha256": model.card.weights.sha256,
        "limits": list(model.card.limits),
        "medsynth_version": __version__,
        "input_modality": first.modality,
        "input_unit": first.unit,
        "source": without_identifiers(first.metadata),
        **further,
        "device": str(predictor.device),
        "batch_size": predictor.batch_size,
        "window_side": window_side(predictor),
        "seconds": round(seconds, 2),
        "log": log,
    }
