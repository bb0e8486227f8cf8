"""What a conversion was made with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Notes:
    """What the rules used and what they doubt, gathered on the way.

    Attributes:
        used: numbers and tags that describe the conversion, as JSON can hold them; nothing that names a patient.
        warnings: sentences about what makes the values less sure.
    """

    used: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def span(self, key: str, values: Iterable[float]) -> None:
        """Keep a value that may differ between slices: one number, or the lowest and the highest."""
        low, high = min(values := list(values)), max(values)
        self.used[key] = low if low == high else [low, high]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as one object."""
        return {**self.used, "warnings": self.warnings}
