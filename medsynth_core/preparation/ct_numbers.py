"""What CT numbers (HU) stand for, where a CT is judged by its values."""

from __future__ import annotations

# Constants below this value (HU) are air or padding for every step that follows.
AIR_BELOW = -700.0


def tissue_at(hu: float) -> str:
    """Return the name of what has a CT number above that of air."""
    if hu < -150:
        return "lung or foam"
    if hu < -20:
        return "fat"
    return "water" if abs(hu) <= 20 else "soft tissue" if hu < 150 else "bone or metal"
