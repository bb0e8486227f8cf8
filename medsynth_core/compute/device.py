"""Choice of the compute device."""

from __future__ import annotations

import platform

import torch

from medsynth_core.errors import MedSynthError

# Slices per batch. On the CPU, larger batches cost memory without a gain in speed.
BATCH_SIZES = {"cpu": 4, "cuda": 32, "mps": 16}


def list_devices() -> dict[str, str]:
    """Return the devices of this computer, fastest first: identifier → name."""
    found = {}
    for index in range(torch.cuda.device_count()):
        found[f"cuda:{index}"] = torch.cuda.get_device_name(index)
    if torch.backends.mps.is_available():
        found["mps"] = "Apple GPU"
    threads = torch.get_num_threads()
    found["cpu"] = f"CPU ({platform.machine()}, {threads} {'thread' if threads == 1 else 'threads'})"
    return found


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called ``name``: ``auto`` (the fastest available), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

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
    """Return the default number of slices per batch on a device."""
    return BATCH_SIZES[device.type]


def computes_bfloat16(device: torch.device) -> bool:
    """Return whether a device has instructions for bfloat16; without them it emulates each product, far more slowly."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu" and platform.machine().lower() in {"x86_64", "amd64"}:
        # oneDNN, which computes convolutions, needs AVX-512; some builds of PyTorch are without it.
        supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
        return supported is not None and bool(supported())
    return True
