"""Where a network runs."""

from __future__ import annotations

import platform

import torch

from medsynth_core.errors import MedSynthError

# Slices at once. On the CPU more gains nothing and costs memory.
BATCH_SIZES = {"cpu": 4, "cuda": 32, "mps": 16}


def list_devices() -> dict[str, str]:
    """Return the devices of this computer, best first: identifier → name."""
    found = {}
    for index in range(torch.cuda.device_count()):
        found[f"cuda:{index}"] = torch.cuda.get_device_name(index)
    if torch.backends.mps.is_available():
        found["mps"] = "Apple GPU"
    found["cpu"] = f"CPU ({platform.machine()}, {torch.get_num_threads()} threads)"
    return found


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called ``name``: ``auto`` (the best there is), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

    Raises:
        MedSynthError: this computer has no such device.
    """
    available = list_devices()
    if name == "auto":
        return torch.device(next(iter(available)))
    if name in available or (name == "cuda" and "cuda:0" in available):
        return torch.device(name)
    raise MedSynthError(
        f"This computer has no device '{name}'; choose auto or one of {', '.join(available)}.", kind="device"
    )


def default_batch_size(device: torch.device) -> int:
    """Return how many slices a device takes at once unless the user says otherwise."""
    return BATCH_SIZES[device.type]
