"""How good a network is on cases that it was not trained on, on the grid of the model."""

from __future__ import annotations

import math

import numpy as np

from medsynth_core.evaluation.ssim import ssim_2d_wang11
from medsynth_core.inference.choice import AnyPredictor
from medsynth_core.preparation.case import Prepared
from medsynth_core.preparation.contract import Contract
from medsynth_core.preparation.grid import Grid
from medsynth_core.training.arrays import Pair

# Between which shares of the body's voxels, from the coldest to the hottest, an error is averaged.
ERROR_SHARES = (0, 1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8, 6 / 8, 7 / 8, 0.95, 0.98, 0.992, 0.997, 0.999, 1)


def answer(predictor: AnyPredictor, pair: Pair, contract: Contract) -> tuple[np.ndarray, np.ndarray]:
    """Return the synthetic and the real voxels (k, j, i) of a case in the output's unit, air outside the body.

    The network is given what `synthesize` gives it, so that what is judged is what users get.
    """
    inverse = contract.output.intensity.inverse
    own = Grid(pair.voxels.shape, np.eye(4))
    given = Prepared(pair.voxels, pair.body, own, own).narrowed(contract)
    synthetic = given.restore(inverse(predictor(given.voxels)))
    return np.where(pair.body, synthetic, 0), inverse(pair.target)


def scores(synthetic: np.ndarray, real: np.ndarray, body: np.ndarray, contract: Contract) -> dict[str, float]:
    """Return ``mae`` (in the body, in the output's unit), and over whole slices ``psnr`` (dB), ``ssim`` and ``nrmse``.

    ``ssim`` is that of Wang et al. (2004), slice by slice; ``nrmse`` is the root mean square error in percent of the
    real image's range, as Xue et al. (2023) have it, and their PSNR's range is the same where values have no limit.
    """
    difference = synthetic - real
    span = contract.output.intensity.span or float(np.ptp(real))
    mse = max(float(np.mean(difference**2)), 1e-12)
    return {
        "mae": float(np.abs(difference[body]).mean()),
        "psnr": float(10 * np.log10(span**2 / mse)),
        "ssim": ssim_2d_wang11(real, synthetic, span),
        "nrmse": 100 * math.sqrt(mse) / max(float(np.ptp(real)), 1e-12),
    }


def mean_scores(found: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean over cases of each score."""
    return {name: float(np.mean([case[name] for case in found])) for name in found[0]}


def validate(predictor: AnyPredictor, pairs: list[Pair], contract: Contract) -> dict[str, dict[str, float]]:
    """Return the `scores` of each case."""
    return {pair.name: scores(*answer(predictor, pair, contract), pair.body, contract) for pair in pairs}


def error_curve(predictor: AnyPredictor, pairs: list[Pair], contract: Contract) -> list[tuple[float, float]]:
    """Return how wrong the network is where it says a value: pairs of (synthetic value, RMS error) in the unit.

    The values are means of groups of body voxels: eight equally populated ones, the last of which is divided again and
    again towards the hottest voxels, which are few and where most is wrong. It is what a model can honestly say of
    its uncertainty: the spread of real values around a synthetic one, in patients like those it was validated on.
    """
    synthetic, squared = [], []
    for pair in pairs:
        predicted, real = answer(predictor, pair, contract)
        synthetic.append(predicted[pair.body])
        squared.append((predicted - real)[pair.body] ** 2)
    values, errors = np.concatenate(synthetic), np.concatenate(squared)
    order = np.argsort(values, kind="stable")
    edges = sorted({int(share * order.size) for share in ERROR_SHARES})
    groups = [order[first:last] for first, last in zip(edges[:-1], edges[1:], strict=True)]
    points = [(float(values[group].mean()), float(np.sqrt(errors[group].mean()))) for group in groups if group.size]
    rising = [point for index, point in enumerate(points) if index == 0 or point[0] > points[index - 1][0]]
    # A network that says the same everywhere is equally wrong at every value.
    return rising if len(rising) > 1 else [points[0], (points[0][0] + 1.0, float(np.sqrt(errors.mean())))]
