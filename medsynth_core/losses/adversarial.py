"""Losses of a generator and its discriminator that judge by logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from monai.losses import PatchAdversarialLoss
from torch import Tensor
from torch.nn.functional import relu, softplus

AdversarialKind = Literal["least_squares", "logits", "hinge"]


class Adversarial:
    """Both sides of an adversarial training; judgements D are logits of any shape, losses are means over them.

    ============= ======================== ====================================
    kind          generator                discriminator
    ============= ======================== ====================================
    least_squares (D(fake) − 1)²           ½ [D(fake)² + (D(real) − 1)²]
    logits        −log σ(D(fake))          ½ [−log(1 − σ(D(fake))) − log σ(D(real))]
    hinge         −D(fake)                 ½ [max(0, 1 + D(fake)) + max(0, 1 − D(real))]
    ============= ======================== ====================================

    Args:
        kind: ``least_squares`` (Mao et al. 2017), ``logits`` (binary cross-entropy) or ``hinge`` (Lim and Ye 2017).

    Raises:
        ValueError: another kind.
    """

    def __init__(self, kind: AdversarialKind = "least_squares") -> None:
        if kind not in get_args(AdversarialKind):
            raise ValueError(f"'{kind}' is none of {', '.join(get_args(AdversarialKind))}")
        self.kind = kind
        # MONAI squashes logits unless told not to. For its two other criteria it cannot be told: its hinge is that
        # of tanh(D), its cross-entropy that of a sigmoid, which has no gradient left where logits are large.
        self._least_squares = PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)

    def generator(self, judged_fake: Tensor) -> Tensor:
        """Return the scalar that falls as the discriminator takes the generator's images for real."""
        if self.kind == "hinge":
            return -judged_fake.mean()
        return self._distance(judged_fake, real=True)

    def discriminator(self, judged_fake: Tensor, judged_real: Tensor) -> Tensor:
        """Return the scalar that falls as the discriminator tells both apart: the mean of its two errors."""
        return 0.5 * (self._distance(judged_fake, real=False) + self._distance(judged_real, real=True))

    def _distance(self, judged: Tensor, *, real: bool) -> Tensor:
        """Return how far judgements are from ``real`` or from fake."""
        if self.kind == "least_squares":
            return self._least_squares(judged, target_is_real=real, for_discriminator=True)
        rule: Callable[[Tensor], Tensor] = softplus if self.kind == "logits" else _margin
        return torch.mean(rule(-judged if real else judged))


def _margin(wrong: Tensor) -> Tensor:
    return relu(1 + wrong)
