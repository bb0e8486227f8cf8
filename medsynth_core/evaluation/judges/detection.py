"""The judge that detects: boxes around lesions (Table 8 of Qu's thesis)."""

from __future__ import annotations

import math

import numpy as np
import torch
from monai.data.box_utils import box_iou
from torch import Tensor

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.judges.examples import Examples
from medsynth_core.evaluation.judges.judge import Judge, Scores
from medsynth_core.losses.boxes import MATCHED, detected, matched, multibox_loss
from medsynth_core.networks.registry import create_network
from medsynth_core.networks.ssd import SMALLEST


class Detector(Judge):
    """SSD (``lesion-detector``) that learns the boxes around the lesions of label maps.

    Its metrics are ``box_iou`` (of each lesion with the found box that overlaps it most, 0 if none does; mean over the
    lesions), ``box_sensitivity`` (share of the lesions with a box that overlaps them by half) and ``box_precision``
    (share of the found boxes that overlap a lesion by half).

    Raises:
        MedSynthError: the labels are classes, the images are not square or have fewer than 64 rows, or there is no
            lesion.
    """

    metrics = ("box_iou", "box_sensitivity", "box_precision")

    def __init__(self, training: Examples, width: int) -> None:
        rows, columns = training.images.shape[2:]
        if training.labels.ndim != 3 or not training.labels.any():
            raise MedSynthError("The judge that detects needs label maps, of which some have a lesion; give these.")
        if rows != columns or rows < SMALLEST:
            raise MedSynthError(
                f"The judge that detects needs square images of at least {SMALLEST}² pixels, not {rows} × {columns}; "
                "resample them."
            )
        network = create_network("lesion-detector", in_channels=training.images.shape[1], channels=width, size=rows)
        self.network = network
        self.defaults: Tensor = network.default_boxes()  # type: ignore[operator]

    def loss(self, images: Tensor, examples: Examples) -> Tensor:
        """Return the loss of SSD."""
        found = []
        for label in examples.labels:
            boxes = torch.from_numpy(boxes_of(label))
            found.append(matched(boxes, torch.ones(len(boxes), dtype=torch.long), self.defaults))
        kinds, wanted = (torch.stack(parts).to(images.device) for parts in zip(*found, strict=True))
        logits, offsets = self.network(images)
        return multibox_loss(logits, offsets, kinds, wanted)

    def scores(self, test: Examples) -> Scores:
        """Return the metrics; ``box_iou`` of an image is the mean over its lesions, NaN if it has none."""
        logits, offsets = (torch.cat(parts) for parts in zip(*self.outputs(test), strict=True))
        each = [
            _overlaps(boxes_of(label), detected(*found, self.defaults)[0].numpy())
            for label, found in zip(test.labels, zip(logits, offsets, strict=True), strict=True)
        ]
        lesions, boxes = (np.concatenate(parts) for parts in zip(*each, strict=True))
        of_set = {
            "box_iou": _mean(lesions),
            "box_sensitivity": _mean(lesions >= MATCHED),
            "box_precision": _mean(boxes >= MATCHED),
        }
        return Scores(of_set, {"box_iou": np.array([_mean(of_lesions) for of_lesions, _ in each])})


def boxes_of(label: np.ndarray) -> np.ndarray:
    """Return the boxes around the connected lesions of a label.

    Args:
        label: (rows, columns), 0 where there is no lesion.

    Returns:
        (lesions, 4) float32 corners x1, y1, x2, y2, as shares of columns and rows.
    """
    from skimage.measure import label as connected
    from skimage.measure import regionprops

    rows, columns = label.shape
    found = [region.bbox for region in regionprops(connected(label != 0))]
    corners = [[x1 / columns, y1 / rows, x2 / columns, y2 / rows] for y1, x1, y2, x2 in found]
    return np.array(corners, dtype=np.float32).reshape(-1, 4)


def _overlaps(lesions: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest intersection over union of each lesion, and of each box; 0 if there is nothing to overlap."""
    if not len(lesions) or not len(boxes):
        return np.zeros(len(lesions)), np.zeros(len(boxes))
    found = np.asarray(box_iou(lesions, boxes))
    return found.max(axis=1), found.max(axis=0)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else math.nan
