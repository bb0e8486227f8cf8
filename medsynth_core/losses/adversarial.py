"""Adversarial losses of generator and discriminator, computed from logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from monai.losses import PatchAdversarialLoss
from torch import Tensor
from torch.nn.functional import relu, softplus

AdversarialKind = Literal["least_squares", "logits", "hinge"]


class Adversarial:
    """Adversarial losses. D are the discriminator's logits, of any shape; losses are means over them.

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
            raise ValueError(f"'{kind}' is not one of {', '.join(get_args(AdversarialKind))}")
        self.kind = kind
        # MONAI applies an activation to the logits by default. It can be switched off only for least squares: MONAI's
        # hinge loss uses tanh(D), and its cross-entropy a sigmoid whose gradient vanishes for large logits.
        self._least_squares = PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)

    def generator(self, fake: Tensor) -> Tensor:
        """Return the generator's loss, a scalar, from the logits of its images."""
        if self.kind == "hinge":
            return -fake.mean()
        return self._loss(fake, real=True)

    def discriminator(self, fake: Tensor, real: Tensor) -> Tensor:
        """Return the discriminator's loss, a scalar: the mean for the logits of synthetic and real images."""
        return 0.5 * (self._loss(fake, real=False) + self._loss(real, real=True))

    def _loss(self, logits: Tensor, *, real: bool) -> Tensor:
        """Return the loss of logits whose target is real or fake."""
        if self.kind == "least_squares":
            return self._least_squares(logits, target_is_real=real, for_discriminator=True)
        rule: Callable[[Tensor], Tensor] = softplus if self.kind == "logits" else _margin
        return torch.mean(rule(-logits if real else logits))


def _margin(wrong: Tensor) -> Tensor:
    return relu(1 + wrong)
