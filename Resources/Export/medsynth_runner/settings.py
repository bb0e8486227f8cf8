"""``preparation.json``: what the model needs of an image, as objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .refusal import RefusalError

PREPARATION = "preparation.json"
FORMAT = 1


@dataclass(frozen=True)
class Image:
    """An input or output of the model: role, modality, unit, and the mapping between its values and the network's.

    ``nothing`` is the value of air in the unit, ``empty`` that of the network.
    """

    role: str
    modality: str
    unit: str
    optional: bool
    nothing: float
    empty: float
    intensity: Mapping[str, Any]

    def forward(self, voxels: np.ndarray) -> np.ndarray:
        """Map voxels in the unit to network values (float32)."""
        given = self.intensity
        if given["kind"] == "curve":
            values, mapped = np.array(given["points"]).T
            return np.interp(voxels, values, mapped).astype(np.float32)
        if given["kind"] == "percentiles":
            low, high = (float(value) for value in np.percentile(voxels, (given["lower"], given["upper"])))
            share = (voxels.astype(np.float32) - low) / ((high if high > low else low + 1.0) - low)
            return (np.clip(share, 0, 1) * np.float32(given["top"])).astype(np.float32)
        return self._limited(voxels.astype(np.float32)) / np.float32(given["divisor"])

    def inverse(self, mapped: np.ndarray) -> np.ndarray:
        """Map network values back to the unit (float32), within the limits of the mapping."""
        given = self.intensity
        if given["kind"] == "curve":
            values, targets = np.array(given["points"]).T
            return np.interp(mapped, targets, values).astype(np.float32)
        if given["kind"] == "percentiles":
            return np.clip(mapped, 0, given["top"]).astype(np.float32)
        return self._limited(mapped.astype(np.float32) * np.float32(given["divisor"]))

    def _limited(self, voxels: np.ndarray) -> np.ndarray:
        upper = self.intensity.get("upper")
        raised = np.maximum(voxels, np.float32(self.intensity["lower"]))
        return raised if upper is None else np.minimum(raised, np.float32(upper))


@dataclass(frozen=True)
class Settings:
    """What ``preparation.json`` states; ``facts`` is all of it."""

    facts: Mapping[str, Any]
    inputs: tuple[Image, ...]
    outputs: tuple[Image, ...]

    @property
    def first(self) -> Image:
        """The first input, on whose grid the results lie."""
        return self.inputs[0]

    @property
    def network(self) -> Mapping[str, Any]:
        """What is stated about the network: its file and format, channels, and what it needs of images."""
        found: Mapping[str, Any] = self.facts["network"]
        return found


def read_settings(folder: str | Path) -> Settings:
    """Return the settings in the folder of an exported model.

    Raises:
        RefusalError: ``preparation.json`` is missing or damaged.
    """
    path = Path(folder, PREPARATION)
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts["format"] != FORMAT:
            raise RefusalError(f"{path} has another format than this runner reads; export both again.")
        inputs, outputs = (tuple(Image(**image) for image in facts[side]) for side in ("inputs", "outputs"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise RefusalError(f"The model in {folder} is not complete ({error}); export it again.") from error
    return Settings(facts, inputs, outputs)
