"""Check of the weights of a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from medsynth_core.errors import MedSynthError

if TYPE_CHECKING:
    from torch import Tensor


def check_weights(state: Mapping[str, Tensor], name: str, remedy: str) -> None:
    """Check that all weights are finite numbers.

    Args:
        state: tensors by name.
        name: the model or file, for the message.
        remedy: what to do, as the end of the sentence.

    Raises:
        MedSynthError: a weight is not finite (NaN or infinite), so every image would be invalid.
    """
    import torch

    for key, value in state.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            bad = value.numel() - int(torch.isfinite(value).sum())
            raise MedSynthError(
                f"The weights of {name} are not valid: {bad} of {value.numel()} values of '{key}' are not finite (NaN "
                f"or infinite); {remedy}.",
                kind="model",
            )
