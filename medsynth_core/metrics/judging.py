"""Measures of synthetic data sets by judges (`evaluation.judges`), which compute them."""

from __future__ import annotations

from medsynth_core.metrics.metric import Direction, Metric


def _metric(name: str, title: str, undefined: str, direction: Direction = "higher") -> Metric:
    return Metric(
        name,
        title=title,
        unit="1",
        direction=direction,
        function=None,
        undefined=undefined,
        decimals=".3f",
        evaluated=False,
    )


_NO_LESION, _ONE_KIND = "no image has a lesion", "there are only vessels, or none"
DICE = _metric("dice", "Dice of images with a lesion", _NO_LESION)
DICE_POOLED = _metric("dice_pooled", "Dice of all pixels", "no lesion is there or found")
SEGMENTATION_MSE = _metric("segmentation_mse", "MSE of the lesion's probability", "there are no images", "lower")
ACCURACY = _metric("accuracy", "Accuracy", "there are no images")
BALANCED_ACCURACY = _metric("balanced_accuracy", "Balanced accuracy", "there are no images")
BOX_IOU = _metric("box_iou", "IoU of boxes", _NO_LESION)
BOX_SENSITIVITY = _metric("box_sensitivity", "Lesions found", _NO_LESION)
BOX_PRECISION = _metric("box_precision", "Boxes that are right", "no box is found")
VESSEL_AUC = _metric("vessel_auc", "Vessel AUC", _ONE_KIND)
VESSEL_ACCURACY = _metric("vessel_accuracy", "Vessel accuracy", "there are no pixels in the field of view")
VESSEL_SENSITIVITY = _metric("vessel_sensitivity", "Vessel sensitivity", "there are no vessels")
JUDGED = (
    DICE,
    DICE_POOLED,
    SEGMENTATION_MSE,
    ACCURACY,
    BALANCED_ACCURACY,
    BOX_IOU,
    BOX_SENSITIVITY,
    BOX_PRECISION,
    VESSEL_AUC,
    VESSEL_ACCURACY,
    VESSEL_SENSITIVITY,
)
