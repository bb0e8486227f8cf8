"""How much memory a training uses."""

from __future__ import annotations

import sys
from typing import Any

import torch


def device_memory(device: torch.device) -> dict[str, Any]:
    """Return ``name``, ``used_bytes`` (the most so far) and ``total_bytes`` of a device; None for what is not known."""
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        name = torch.cuda.get_device_name(device)
        return {"name": name, "used_bytes": torch.cuda.max_memory_reserved(device), "total_bytes": total}
    if device.type == "mps":
        return {"name": "Apple GPU", "used_bytes": torch.mps.driver_allocated_memory(), "total_bytes": None}
    return {"name": "CPU", "used_bytes": _resident(), "total_bytes": None}


def _resident() -> int | None:
    """Return the most memory that this process had, None on systems that do not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
