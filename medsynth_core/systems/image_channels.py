"""How many channels a generator takes and draws."""

from __future__ import annotations

from typing import Any

from medsynth_core.errors import MedSynthError


def image_channels(name: str, generator: Any) -> tuple[int, int]:
    """Return the input and output channels of a network that turns images into images.

    Args:
        name: of the network, for the message.
        generator: network of the registry.

    Raises:
        MedSynthError: it is another kind of network, such as a discriminator.
    """
    found = getattr(generator, "in_channels", None), getattr(generator, "out_channels", None)
    if None in found:
        raise MedSynthError(f"The network '{name}' of the recipe does not produce images; choose a generator.")
    return found  # type: ignore[return-value]  # neither is None
