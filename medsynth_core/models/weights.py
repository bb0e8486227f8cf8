"""The weights of a network: loaded without running code, and checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth_core.errors import MedSynthError

if TYPE_CHECKING:
    from torch import Tensor, nn


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


def loaded_network(name: str, options: Mapping[str, Any], path: Path) -> nn.Module:
    """Return a network of the registry with the weights of a file, float32, on the CPU, in evaluation mode.

    No memory is taken before the shapes have been compared, because options may ask for any amount of it.

    Args:
        name: name of the network.
        options: its options.
        path: safetensors file.

    Raises:
        RuntimeError: the file has other names or shapes than the network.
        SafetensorError: the file is damaged.
        MedSynthError: there is no such network, or its options are not valid.
    """
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file

    from medsynth_core.networks.registry import create_network

    with torch.device("meta"):
        network = create_network(name, **options)
    wanted = {key: list(value.shape) for key, value in network.state_dict().items()}
    with safe_open(path, "pt") as file:
        keys = file.keys()
        found = {key: list(file.get_slice(key).get_shape()) for key in keys}
    if wanted != found:
        raise RuntimeError("the shapes differ")
    # Copied, because what is loaded may be the file itself, mapped into memory.
    network.load_state_dict({key: value.clone() for key, value in load_file(path).items()}, assign=True)
    return network.float().eval()
