"""One synthesis in three steps: preparation, network, and return to the grid of the input.

They are separate so that a batch can prepare one study while the network runs over another.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medsynth_core.grid import Grid
from medsynth_core.inference.dose_report import of_dose
from medsynth_core.inference.finite import check_finite
from medsynth_core.inference.memory_check import check_memory
from medsynth_core.inference.prediction import Prediction
from medsynth_core.inference.uncertainty import check_error_known, expected_error, with_usual_error
from medsynth_core.io.identifiers import without_identifiers
from medsynth_core.models.package import Model
from medsynth_core.preparation.averaging import Averaging, averaging_of
from medsynth_core.preparation.case import Prepared, prepare
from medsynth_core.preparation.contract import Side, SynthesisContract
from medsynth_core.preparation.unit_limits import unit_doubts
from medsynth_core.progress import Progress
from medsynth_core.version import __version__
from medsynth_core.volume import Volume

Inputs = Volume | Mapping[str, Volume]


class Synthesis:
    """The synthesis of one study: call `prepare`, run the network over what it returns, and call `finish`.

    Args:
        volumes: the first input of the model, or all inputs by role.
        model: the model.
        uncertainty: whether the first result gets the usual error at its values.

    Raises:
        MedSynthError: the volumes do not fit the contract, the usual error of the model is not known, or memory does
            not suffice.
    """

    def __init__(self, volumes: Inputs, model: Model, *, uncertainty: bool = False) -> None:
        self.model, self.uncertainty = model, uncertainty
        self.contract = contract = model.synthesis.contract
        if uncertainty:
            check_error_known(model.synthesis)
        given = contract.volumes(volumes)
        self._notes = [note for role, volume in given.items() for note in contract.notes(volume, role)]
        self._stated = all(volume.unit for volume in given.values())
        self.given = {role: contract.check(volume, role) for role, volume in given.items()}
        self._source = _Source.of(self.given, contract)
        check_memory(self._source.first, contract, self._source.used[contract.input_role])
        self.log: list[str] = []
        self._prepared: Prepared | None = None

    def prepare(self, progress: Progress) -> Prepared:
        """Return the inputs as the network gets them.

        Raises:
            MedSynthError: as `medsynth_core.preparation.case.prepare`.
        """
        telling = self.recording(progress)
        for note in self._notes:
            telling.log(note)
        self._prepared = prepare(self._source.used, self.contract).narrowed(self.contract)
        if any(volume.is_synthetic for volume in self.given.values()):
            telling.log("The input is itself synthetic, so the result also contains the errors of its model.")
        return self._prepared

    def recording(self, progress: Progress) -> Progress:
        """Return ``progress`` that also keeps sentences for the provenance of the results."""
        return _recording(progress, self.log)

    def finish(self, predicted: Prediction, seconds: float, progress: Progress) -> dict[str, Volume]:
        """Return the results by role, on the grid of the first input.

        Args:
            predicted: what the network gave for what `prepare` returned.
            seconds: time that the synthesis took before this step, for the provenance.
            progress: its log gets doubts about the results.

        Raises:
            MedSynthError: a value is not finite.
        """
        prepared, source, started = self._prepared, self._source, time.monotonic()
        assert prepared is not None
        results: dict[str, Volume] = {}
        for number, (role, side) in enumerate(self.contract.outputs.items()):
            mapped = predicted.mapped[number]
            # Before the inverse mapping, which would clip infinite values to plausible ones.
            check_finite(mapped, prepared.grid, prepared.source, self.model.name)
            values = _inside(side.intensity.inverse(mapped), prepared, side)
            restored = source.restore(prepared.restore(values, side.nothing))
            check_finite(restored, Grid.of(source.first), Grid.of(source.first), self.model.name)
            # Each result keeps its own warnings beside the shared ones.
            own = list(self.log)
            spent = seconds + time.monotonic() - started
            metadata = {
                **_provenance(self.model, self.given, predicted, spent, own),
                **_described(self.model, self.contract, role, source),
                "input_unit_stated": self._stated,
            }
            telling = _recording(progress, own)
            for doubt in unit_doubts(restored, side.modality, side.unit):
                telling.log(doubt)
            if side.modality == "PT":
                shares = predicted.probabilities
                metadata |= of_dose(self.contract, shares, source.first, prepared, restored, telling)
            results[role] = source.first.replace(
                voxels=restored, modality=side.modality, unit=side.unit, metadata=metadata, uncertainty=None
            )
            if self.uncertainty and number == 0:
                errors = self._usual_error(values, prepared, predicted)
                results[role] = with_usual_error(results[role], source.restore(errors), self.model.name)
        return results

    def _usual_error(self, values: np.ndarray, prepared: Prepared, predicted: Prediction) -> np.ndarray:
        """Return the usual error at the values (k, j, i) of a result, on the grid of the prepared input's source."""
        errors = expected_error(values, self.model.synthesis, predicted.probabilities)
        errors[~prepared.body] = 0
        return prepared.restore(errors)


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
    model: Model, given: Mapping[str, Volume], predicted: Prediction, seconds: float, log: list[str]
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
        "device": predicted.device,
        "backend": predicted.backend,
        **({"foreign_network": True} if model.synthesis.is_foreign else {}),
        "batch_size": predicted.batch_size,
        "window_side": predicted.window_side,
        "seconds": round(seconds, 2),
        "log": log,
    }
