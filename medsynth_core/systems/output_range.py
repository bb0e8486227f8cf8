"""What a generator can draw, and what the contract makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medsynth_core.errors import MedSynthError
from medsynth_core.preparation.contract import Side


def check_output_range(recipe: str, outputs: Mapping[str, Side], network: Any) -> None:
    """Check that a generator with a bounded last layer can draw every value of its outputs.

    Args:
        recipe: name of the recipe, for the message.
        outputs: sides of the contract by role.
        network: generator; its ``output_range`` is the lowest and highest network value that it draws, if it is
            bounded.

    Raises:
        MedSynthError: the intensity of an output has network values beyond that range, so that air or the brightest
            voxels could not be drawn.
    """
    bounds = getattr(network, "output_range", None)
    if bounds is None:
        return
    low, high = bounds
    for role, side in outputs.items():
        least, most = side.intensity.mapped
        if least < low or most > high:
            raise MedSynthError(
                f"contract.outputs.{role}.intensity of the recipe '{recipe}' has network values from {least:g} to "
                f"{most:g}, but its generator draws {low:g} to {high:g}; choose an intensity with these values.",
                kind="model",
            )
