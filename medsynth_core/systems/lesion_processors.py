"""Losses of lesion processors, which find lesions in real images and in drawn ones (Qu, equations 15 and 22).

A processor is a segmenter (U-Net), a classifier (VGG-11) or a detector (SSD). The author's code compares by squared
differences; the thesis has each network's own loss. A detector has only its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

# Weights of the classes of a lesion label in the author's code: none, the first, all others.
CLASS_WEIGHTS = (0.5, 5.0, 25.0)


def lesion_loss(network: nn.Module, found: Any, label: Tensor, own: bool) -> Tensor:
    """Return the difference of a label from what a processor has found in images.

    Args:
        network: the processor.
        found: its output: maps of classes in 0…1 (n, classes, h, w) of a segmenter; logits (n, classes) of a
            classifier; logits and offsets of a detector.
        label: (n, 1, h, w) whole numbers, 0 for no lesion; what has a larger number than the last class of the
            processor is of that class. The class of an image is its largest label; the boxes of a
            detector are those of connected lesions.
        own: the network's own loss instead of squared differences.
    """
    if hasattr(network, "default_boxes"):
        return _of_boxes(network, found, label)
    if found.ndim == 2:
        return _of_class(found.float(), label.flatten(1).amax(dim=1).long(), own)
    return _of_maps(found.float(), label[:, 0].long(), own)


def _of_maps(found: Tensor, label: Tensor, own: bool) -> Tensor:
    import torch
    from torch.nn.functional import one_hot

    classes = found.shape[1]
    label = label.clamp(max=classes - 1)
    weights = torch.tensor([CLASS_WEIGHTS[min(number, 2)] for number in range(classes)], device=found.device)
    if not own:
        wanted = one_hot(label, classes).movedim(-1, 1).to(found.dtype)
        return ((found - wanted).square().mean(dim=(0, 2, 3)) * weights).sum()
    # The maps are shares once they add up to 1; U-Net's own loss is the cross-entropy with a weight for each class.
    share = (found / found.sum(dim=1, keepdim=True).clamp(min=1e-6)).gather(1, label[:, None])[:, 0]
    return -(weights[label] * share.clamp(min=1e-6).log()).mean()


def _of_class(logits: Tensor, kind: Tensor, own: bool) -> Tensor:
    from torch.nn.functional import cross_entropy, one_hot

    kind = kind.clamp(max=logits.shape[1] - 1)
    if own:
        return cross_entropy(logits, kind)
    return (logits.softmax(dim=1) - one_hot(kind, logits.shape[1])).square().mean()


def _of_boxes(network: Any, found: tuple[Tensor, Tensor], label: Tensor) -> Tensor:
    """Return the loss of SSD for the boxes of connected lesions, each of the kind of its label."""
    import torch

    from medsynth_core.evaluation.judges.detection import boxes_of
    from medsynth_core.losses.boxes import matched, multibox_loss

    logits, offsets = found
    defaults = network.default_boxes().to(logits.device)
    targets = []
    for image in label[:, 0].long().cpu().numpy():
        boxes = torch.from_numpy(boxes_of(image)).to(defaults)
        rows, columns = image.shape
        middles = ((boxes[:, :2] + boxes[:, 2:]) / 2 * torch.tensor([columns, rows], device=boxes.device)).long()
        own = [int(max(image[y, x], 1)) for x, y in middles.tolist()]
        targets.append(matched(boxes, torch.tensor(own, dtype=torch.long, device=defaults.device), defaults))
    kinds, wanted = (torch.stack(part) for part in zip(*targets, strict=True))
    return multibox_loss(logits.float(), offsets.float(), kinds.clamp(max=logits.shape[2] - 1), wanted)
