"""Available memory, and the peak memory of a process or device."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    import torch

# On a CPU, larger windows are not faster.
CPU_BUDGET = 2 << 30
# Share of a GPU's free memory to plan with; its libraries need the rest.
GPU_SHARE = 0.6


def available_memory() -> int:
    """Return the bytes of main memory that are available without swapping."""
    return int(psutil.virtual_memory().available)


def free_share() -> float:
    """Return the share of the main memory that is available without swapping, in 0…1."""
    memory = psutil.virtual_memory()
    return float(memory.available / memory.total)


def peak_memory() -> int:
    """Return the peak resident memory of this process, in bytes."""
    found = psutil.Process().memory_info()
    if hasattr(found, "peak_wset"):  # Windows
        return int(found.peak_wset)
    if sys.platform == "linux":
        # getrusage() would include the peak of the parent process (Slicer, for example).
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        if line := re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE):
            return 1024 * int(line[1])
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def device_memory(device: torch.device) -> dict[str, Any]:
    """Return ``name``, ``used_bytes`` (peak so far) and ``total_bytes`` of a device; None where a value is unknown."""
    import torch

    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        name = torch.cuda.get_device_name(device)
        return {"name": name, "used_bytes": torch.cuda.max_memory_reserved(device), "total_bytes": total}
    if device.type == "mps":
        return {"name": "Apple GPU", "used_bytes": torch.mps.driver_allocated_memory(), "total_bytes": None}
    return {"name": "CPU", "used_bytes": peak_memory(), "total_bytes": None}


def slab_budget(device: torch.device) -> int:
    """Return how many bytes the windows of one batch may occupy on a device."""
    import torch

    if device.type == "cuda":
        return int(GPU_SHARE * torch.cuda.mem_get_info(device)[0])
    return min(CPU_BUDGET, available_memory() // 2)
