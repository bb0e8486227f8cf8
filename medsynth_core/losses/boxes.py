"""Detection of boxes: their offsets from default boxes, the loss of SSD, and the boxes that a detector finds.

Boxes are corners (x1, y1, x2, y2) unless they are default boxes (centre x, centre y, width, height); all are shares of
the image's sides.
"""

from __future__ import annotations

import torch
from monai.data.box_utils import box_iou, non_max_suppression
from torch import Tensor
from torch.nn import functional

# Standard deviations of the offsets by which a detector is trained: of the centre, and of the logarithm of the size.
VARIANCES = (0.1, 0.2)
# A default box is that of a lesion if it overlaps it by this intersection over union.
MATCHED = 0.5
# Wrong boxes that count in the loss, for each right one.
NEGATIVES = 3


def corners(boxes: Tensor) -> Tensor:
    """Return boxes (n, 4) of centre and size as corners."""
    return torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], dim=1)


def encoded(boxes: Tensor, defaults: Tensor) -> Tensor:
    """Return the offsets (n, 4) of boxes (n, 4; corners) from as many default boxes."""
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    moved = (centre - defaults[:, :2]) / defaults[:, 2:] / VARIANCES[0]
    return torch.cat([moved, torch.log(size / defaults[:, 2:]) / VARIANCES[1]], dim=1)


def decoded(offsets: Tensor, defaults: Tensor) -> Tensor:
    """Return the boxes (n, 4; corners) of offsets from default boxes; the inverse of `encoded`."""
    centre = defaults[:, :2] + offsets[:, :2] * VARIANCES[0] * defaults[:, 2:]
    size = defaults[:, 2:] * torch.exp(offsets[:, 2:] * VARIANCES[1])
    return corners(torch.cat([centre, size], dim=1))


def matched(boxes: Tensor, kinds: Tensor, defaults: Tensor) -> tuple[Tensor, Tensor]:
    """Return what each default box should find.

    Args:
        boxes: (lesions, 4) corners of an image's lesions.
        kinds: (lesions) their kinds, from 1.
        defaults: (boxes, 4) default boxes.

    Returns:
        The kind of each default box (0 for none), and the offsets of its lesion (0 for none). Each lesion has at least
        the default box that overlaps it most.
    """
    found = torch.zeros(len(defaults), dtype=torch.long, device=defaults.device)
    offsets = torch.zeros_like(defaults)
    if not len(boxes):
        return found, offsets
    overlap = torch.as_tensor(box_iou(corners(defaults), boxes))
    best, nearest = overlap.max(dim=1)
    own = overlap.argmax(dim=0)
    nearest[own] = torch.arange(len(boxes), device=boxes.device)
    right = best >= MATCHED
    right[own] = True
    found[right] = kinds[nearest[right]]
    offsets[right] = encoded(boxes[nearest[right]], defaults[right])
    return found, offsets


def multibox_loss(logits: Tensor, offsets: Tensor, kinds: Tensor, wanted: Tensor) -> Tensor:
    """Return the loss of SSD: cross-entropy of the kinds and smooth L1 of the offsets, by matched default box.

    Of the default boxes without a lesion, those with the highest loss count, three for each with one; in a batch
    without lesions, the three highest.

    Args:
        logits: (n, boxes, classes + 1).
        offsets: (n, boxes, 4).
        kinds, wanted: of `matched`, stacked: (n, boxes) and (n, boxes, 4).

    Reference: Liu et al., "SSD: Single shot multibox detector", ECCV 2016, equations 1 to 3.
    """
    right = kinds > 0
    places = functional.smooth_l1_loss(offsets[right], wanted[right], reduction="sum")
    entropy = functional.cross_entropy(logits.flatten(0, 1), kinds.flatten(), reduction="none").view_as(kinds)
    wrong = torch.where(right, -1.0, entropy.detach())
    ranks = wrong.argsort(descending=True).argsort()
    counted = (ranks < NEGATIVES * right.sum(dim=1, keepdim=True).clamp(min=1)) & ~right
    return (places + entropy[right | counted].sum()) / max(int(right.sum()), 1)


def detected(
    logits: Tensor, offsets: Tensor, defaults: Tensor, *, score: float = 0.5, overlap: float = 0.45, most: int = 20
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the boxes that a detector finds in one image.

    Args:
        logits: (boxes, classes + 1).
        offsets: (boxes, 4).
        defaults: (boxes, 4) default boxes.
        score: lowest probability of a kind.
        overlap: of two boxes of a kind that overlap by more than this intersection over union, the better one is kept.
        most: largest number of boxes of a kind.

    Returns:
        Boxes (found, 4) as corners within the image, kinds (from 1) and probabilities, the highest one first.
    """
    boxes = decoded(offsets, defaults).clamp(0, 1)
    boxes = torch.cat([boxes[:, :2], torch.maximum(boxes[:, :2], boxes[:, 2:])], dim=1)
    probabilities = logits.softmax(dim=1)
    kept, kinds = [], []
    for kind in range(1, logits.shape[1]):
        likely = torch.nonzero(probabilities[:, kind] >= score).flatten()
        if not len(likely):
            continue
        best = non_max_suppression(boxes[likely], probabilities[likely, kind], overlap, max_proposals=most)
        kept.append(likely[torch.as_tensor(best)])
        kinds += [kind] * len(kept[-1])
    if not kept:
        return boxes[:0], torch.zeros(0, dtype=torch.long), probabilities[:0, 0]
    index, of_kind = torch.cat(kept), torch.tensor(kinds, device=boxes.device)
    likelihood = probabilities[index, of_kind]
    order = likelihood.argsort(descending=True)
    return boxes[index[order]], of_kind[order], likelihood[order]
