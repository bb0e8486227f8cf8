"""Metrics by name, for tables, model cards, figures, commands and the selection of the best epoch."""

from __future__ import annotations

from collections.abc import Iterable

from medsynth_core.errors import MedSynthError
from medsynth_core.metrics import checkerboard, dong2020, dose, edge, generation, judging, lesion, ms_ssim, pixel, ssim
from medsynth_core.metrics.metric import Comparison, Metric

# In the order of `evaluate`'s report; a new metric is one more line.
_ALL: tuple[Metric, ...] = (
    pixel.MAE,
    pixel.MSE,
    pixel.RMSE,
    pixel.NRMSE_MINMAX,
    edge.EDGE_MAE,
    pixel.PSNR,
    ssim.SSIM,
    ms_ssim.MS_SSIM,
    ssim.SSIM_2D_WANG11,
    ssim.SSIM_2D_SKIMAGE7,
    checkerboard.CHECKERBOARD,
    lesion.SUVMAX_ERROR,
    lesion.SUVMEAN_ERROR,
    lesion.SUVPEAK_ERROR,
    lesion.TLG_ERROR,
    lesion.SUVMAX_ERROR_SIZE,
    lesion.SUVMEAN_ERROR_SIZE,
    lesion.SUVPEAK_ERROR_SIZE,
    lesion.TLG_ERROR_SIZE,
    lesion.LESION_MAE,
    dong2020.MAE_255,
    dong2020.SSIM_255,
    dose.ACTIVITY_RATIO,
    dose.DOSE_ACCURACY,
    generation.FID,
    generation.IMAGE_DISTANCE,
    generation.MAP_DISTANCE,
    generation.MS_SSIM_PAIRED,
    generation.MS_SSIM_DIVERSITY,
    *judging.JUDGED,
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}


def describe(name: str) -> Metric:
    """Return a metric by name.

    Raises:
        MedSynthError: the metric is unknown.
    """
    if name not in METRICS:
        raise MedSynthError(f"There is no metric {name!r}; choose one of {', '.join(METRICS)}.")
    return METRICS[name]


def better(name: str, a: float, b: float) -> bool:
    """Return whether the value ``a`` of a metric is better than ``b``; NaN is worse than any number."""
    return signed(name, a) < signed(name, b)


def signed(name: str, value: float) -> float:
    """Return a number that is lower the better ``value`` is, for selecting the best epoch; infinite for NaN."""
    return describe(name).signed(value)


def compute(names: Iterable[str], comparison: Comparison) -> dict[str, float]:
    """Return the named metrics of a comparison; NaN if a metric is not defined.

    Raises:
        MedSynthError: there is no such metric.
    """
    return {name: describe(name)(comparison) for name in names}


def text(name: str, value: float, image_unit: str = "") -> str:
    """Return a formatted value with its unit, e.g. ``31.42 dB``; ``image_unit`` is that of the voxels."""
    return describe(name).text(value, image_unit)


def title(name: str) -> str:
    """Return the title of a metric; a name that is not registered is returned as it is."""
    return METRICS[name].title if name in METRICS else name


def heading(name: str, image_unit: str = "", region: str = "") -> str:
    """Return the heading of a table column or chart: title, region, unit and direction.

    ``PSNR, full frame (dB, higher is better)`` or ``MAE in the body (HU, lower is better)``. A name that is not
    registered is returned as it is.

    Args:
        name: name of the metric.
        image_unit: unit of the voxels.
        region: region of the metrics that are measured in the compared region; empty if stated elsewhere.
    """
    if name not in METRICS:
        return name
    metric = METRICS[name]
    where = "" if metric.region == "lesion" else metric.region_text(region)
    details = ", ".join(part for part in (metric.unit_text(image_unit), metric.direction_text) if part)
    joint = " " if where.startswith("in ") else ", "
    return f"{metric.title}{joint if where else ''}{where} ({details})"


def cell(name: str, mean: float | str | None, sd: float | str | None = None) -> str:
    """Return a table cell, e.g. ``27.75 ± 1.16``, with the metric's decimals; a dash for a missing value.

    Args:
        name: name of the metric; one that is not registered gets three decimals.
        mean: value, or mean over cases; "" or None if missing.
        sd: standard deviation over cases; "" or None if missing (a single case).
    """
    if mean is None or mean == "":
        return "–"
    metric = METRICS.get(name)
    if metric is None:
        shown, spread = f"{float(mean):.3f}", "" if sd in (None, "") else f"{float(sd):.3f}"
    else:
        shown, spread = metric.number(float(mean)), "" if sd in (None, "") else metric.number(float(sd), sign=False)
    return f"{shown} ± {spread}" if spread else shown
