"""Record of an SUV computation, and its description for users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Notes:
    """Values used and warnings, collected during an SUV computation.

    Attributes:
        used: numbers and tags that describe the conversion, serializable as JSON; without patient names.
        warnings: sentences on doubtful inputs.
    """

    used: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def warn(self, sentence: str) -> None:
        """Add a warning, once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def span(self, key: str, values: Iterable[float]) -> None:
        """Record a value that may differ between slices: one number, or the lowest and the highest."""
        low, high = min(values := list(values)), max(values)
        self.used[key] = low if low == high else [low, high]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as one object."""
        return {**self.used, "warnings": self.warnings}


def describe_suv(suv: Mapping[str, Any]) -> list[str]:
    """Return how an SUV was computed, and the warnings, one line each, for a log or the screen.

    Args:
        suv: as returned by `Notes.to_dict` and stored in ``metadata["suv"]``; missing values are omitted.
    """
    facts = {
        "Stored in": _joined(suv, ("units", "suv_type", "scale")),
        "Decay correction": _text(suv, "decay_correction"),
        "Reference time": _text(suv, "reference_time"),
        "Injection time": _text(suv, "injection_time"),
        "From injection to reference time": _text(suv, "injection_to_reference_s", "s"),
        "Weight": _text(suv, "weight_kg", "kg"),
        "Lean or ideal body mass": _text(suv, "body_mass_kg", "kg"),
        "Body surface area": _text(suv, "body_surface_cm2", "cm²"),
        "Injected activity": _text(suv, "dose_bq", "MBq", 1e-6),
        "Half-life": _text(suv, "half_life_s", "s"),
        "Factor": _text(suv, "factor"),
    }
    warnings = [f"Warning: {warning}" for warning in suv.get("warnings", [])]
    return [f"{subject}: {text}" for subject, text in facts.items() if text] + warnings


def _joined(suv: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return " ".join(str(suv[key]) for key in keys if suv.get(key))


def _text(suv: Mapping[str, Any], key: str, unit: str = "", scale: float = 1.0) -> str:
    """Return a value, or the lowest and highest value, with its unit; "" if it is missing."""
    if suv.get(key) is None:
        return ""
    values = suv[key] if isinstance(suv[key], list) else [suv[key]]
    shown = " to ".join(value if isinstance(value, str) else f"{value * scale:.6g}" for value in values)
    return f"{shown} {unit}".rstrip()
