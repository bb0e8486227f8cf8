"""Validation of a network on cases that were not used for training, on the grid of the model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import nn

from medsynth_core.errors import MedSynthError
from medsynth_core.grid import Grid
from medsynth_core.inference.predictor import AnyPredictor, create_predictor
from medsynth_core.metrics.registry import METRICS
from medsynth_core.preparation.case import Prepared
from medsynth_core.preparation.contract import Contract, Side, SynthesisContract
from medsynth_core.preparation.training_case import TrainingCase

# Quantiles of the body's voxels, from the coldest to the hottest, that bound the groups of the error curve.
ERROR_SHARES = (0, 1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8, 6 / 8, 7 / 8, 0.95, 0.98, 0.992, 0.997, 0.999, 1)


class Trained:
    """A network under validation (a `medsynth_core.systems.base.Candidate`).

    Args:
        network: switched to evaluation mode.
        contract: contract of the model.
        device: device of the computation.
    """

    def __init__(self, network: nn.Module, contract: Contract, device: torch.device) -> None:
        self.network, self._contract = network.eval(), contract
        self.predictor: AnyPredictor | None = None
        if isinstance(contract, SynthesisContract):
            self.predictor = create_predictor(network, contract, device)

    def images(self, case: TrainingCase) -> dict[str, np.ndarray]:
        """Return the synthetic images (k, j, i) of a case by role, in the units of the contract, air outside the body.

        The network gets the same input as in `synthesize`, so that the scores hold for what users get.

        Raises:
            MedSynthError: an image is not finite.
        """
        contract = self._contract
        assert isinstance(contract, SynthesisContract) and self.predictor is not None
        own = Grid(case.voxels.shape, np.eye(4))
        others = dict(list(case.inputs.items())[1:])
        given = Prepared(case.voxels, case.body, own, own, case.boxes, others).narrowed(contract)
        mapped = self.predictor(given.stacked, boxes=given.boxes)
        if not np.isfinite(mapped).all():
            raise MedSynthError(
                f"The network's image of case '{case.name}' is not finite (NaN or infinite), so it has no scores; "
                "lower the learning rate and train again.",
                kind="model",
            )
        return {
            role: np.where(case.body, given.restore(side.intensity.inverse(answer)), side.nothing)
            for (role, side), answer in zip(contract.outputs.items(), mapped, strict=True)
        }


def mean_scores(found: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each score over the cases in which it is finite; without scores that are finite in none."""
    values: dict[str, list[float]] = {}
    for case in found:
        for name, value in case.items():
            if math.isfinite(value):
                values.setdefault(name, []).append(value)
    return {name: float(np.mean(some)) for name, some in values.items()}


def undefined_scores(found: Mapping[str, Mapping[str, float]], consequence: str) -> list[str]:
    """Return a sentence, which ends with the consequence, for each score that some of the cases (by name) lack."""
    names = list(dict.fromkeys(name for case in found.values() for name in case))
    missing = {name: [case for case, scores in found.items() if not math.isfinite(scores[name])] for name in names}
    return [
        f"'{name}' is not defined for {len(cases)} of {len(found)} cases, among them '{cases[0]}' "
        f"({METRICS[name].undefined}); {consequence}."
        for name, cases in missing.items()
        if cases
    ]


def check_choice(means: Mapping[str, float], choose_by: str) -> None:
    """Check, at the first validation, that the metric that is to choose the best epoch is defined.

    Raises:
        MedSynthError: it is in none of the validation cases.
    """
    if choose_by not in means:
        raise MedSynthError(
            f"The metric '{choose_by}' is not defined for any validation case ({METRICS[choose_by].undefined}), so no "
            "best epoch can be chosen; check the reference images of the validation cases, or choose another metric as "
            "choose_by in the recipe and train in a new folder."
        )


def error_curve(candidate: Trained, cases: list[TrainingCase], side: Side, role: str) -> list[tuple[float, float]]:
    """Return the RMS error as a function of the synthetic value: pairs (synthetic value, RMS error) in the output unit.

    Body voxels are grouped by synthetic value into eight equally populated groups; the last is subdivided towards the
    hottest voxels, which are few and have the largest errors. Each pair is the mean value and RMS error of a group:
    the spread of real values around a synthetic value, in patients like those of the validation.

    Args:
        candidate: the network.
        cases: cases that were not used for training.
        side: side of the contract that describes the output.
        role: role of the output.
    """
    synthetic, squared = [], []
    for case in cases:
        predicted, real = candidate.images(case)[role], side.intensity.inverse(case.targets[role])
        synthetic.append(predicted[case.body])
        squared.append((predicted - real)[case.body] ** 2)
    values, errors = np.concatenate(synthetic), np.concatenate(squared)
    order = np.argsort(values, kind="stable")
    edges = sorted({int(share * order.size) for share in ERROR_SHARES})
    groups = [order[first:last] for first, last in zip(edges[:-1], edges[1:], strict=True)]
    points = [(float(values[group].mean()), float(np.sqrt(errors[group].mean()))) for group in groups if group.size]
    rising = [point for index, point in enumerate(points) if index == 0 or point[0] > points[index - 1][0]]
    # A constant output has one value only; its error is used for every value.
    return rising if len(rising) > 1 else [points[0], (points[0][0] + 1.0, float(np.sqrt(errors.mean())))]
