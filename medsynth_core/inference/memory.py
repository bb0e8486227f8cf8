"""How much memory there is for a network."""

from __future__ import annotations

from pathlib import Path

import torch

# What the libraries of CPU and GPU say when memory runs out and they have no exception of their own for it.
NO_MEMORY = ("not enough memory", "out of memory", "can't allocate memory", "ALLOC_FAILED")
# On a CPU larger windows gain nothing.
CPU_BUDGET = 2 << 30
# Part of a GPU's free memory that may be planned with: the libraries need some for themselves.
GPU_SHARE = 0.6


def slab_budget(device: torch.device) -> int:
    """Return the bytes that windows computed at once may take on a device."""
    if device.type == "cuda":
        return int(GPU_SHARE * torch.cuda.mem_get_info(device)[0])
    free = available_memory()
    return CPU_BUDGET if free is None else min(CPU_BUDGET, free // 2)


def available_memory() -> int | None:
    """Return the bytes of main memory that programs can still get, or None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)
