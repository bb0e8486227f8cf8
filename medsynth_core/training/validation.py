"""How good a network is on cases that it was not trained on, on the grid of the model."""

from __future__ import annotations

import numpy as np

from medsynth_core.inference.predictor import Predictor
from medsynth_core.preparation.contract import Contract
from medsynth_core.training.arrays import Pair


def answer(predictor: Predictor, pair: Pair, contract: Contract) -> tuple[np.ndarray, np.ndarray]:
    """Return the synthetic and the real voxels (k, j, i) of a case in the output's unit, air outside the body."""
    inverse = contract.output.intensity.inverse
    synthetic = inverse(predictor(pair.prepared.voxels))
    return np.where(pair.prepared.body, synthetic, 0), inverse(pair.target)


def validate(predictor: Predictor, pairs: list[Pair], contract: Contract) -> dict[str, float]:
    """Return the mean over cases of ``mae`` (in the body, in the output's unit) and ``psnr`` (whole slices, dB)."""
    scores = []
    for pair in pairs:
        synthetic, real = answer(predictor, pair, contract)
        difference = synthetic - real
        span = contract.output.intensity.span or float(np.ptp(real))
        mse = max(float(np.mean(difference**2)), 1e-12)
        scores.append((np.abs(difference[pair.prepared.body]).mean(), 10 * np.log10(span**2 / mse)))
    mae, psnr = np.mean(scores, axis=0)
    return {"mae": float(mae), "psnr": float(psnr)}


def error_curve(predictor: Predictor, pairs: list[Pair], contract: Contract) -> list[tuple[float, float]]:
    """Return how wrong the network is where it says a value: pairs of (synthetic value, RMS error) in the unit.

    The values are means of eight equally populated groups of body voxels. It is what a model can honestly say of
    its uncertainty: the spread of real values around a synthetic one, in patients like those it was validated on.
    """
    synthetic, squared = [], []
    for pair in pairs:
        predicted, real = answer(predictor, pair, contract)
        synthetic.append(predicted[pair.prepared.body])
        squared.append((predicted - real)[pair.prepared.body] ** 2)
    values, errors = np.concatenate(synthetic), np.concatenate(squared)
    groups = np.array_split(np.argsort(values, kind="stable"), 8)
    points = [(float(values[group].mean()), float(np.sqrt(errors[group].mean()))) for group in groups if group.size]
    rising = [point for index, point in enumerate(points) if index == 0 or point[0] > points[index - 1][0]]
    # A network that says the same everywhere is equally wrong at every value.
    return rising if len(rising) > 1 else [points[0], (points[0][0] + 1.0, float(np.sqrt(errors.mean())))]
