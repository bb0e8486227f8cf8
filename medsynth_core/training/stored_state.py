"""Checkpoints and weights of a run as files, in which damage is noticed before anything is computed with it."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import atomic_write

# Key of the digest in the header of a weights file.
DIGEST = "sha256"
_UNREADABLE = (
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
)


def write_state(state: Mapping[str, Any], path: Path) -> None:
    """Write plain values and tensors; torch stores a checksum with each tensor."""
    with atomic_write(path) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:
            # torch raises RuntimeError when writing fails.
            raise OSError("the disk is full or not writable") from error


def read_state(path: Path, device: torch.device) -> dict[str, Any]:
    """Return the state that `write_state`, of this version or an earlier one, wrote.

    Raises:
        MedSynthError: the file is damaged: unlike torch, this compares its checksums.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            whole = archive.testzip() is None
        state = torch.load(path, map_location=device, weights_only=True) if whole else None
    except torch.OutOfMemoryError:
        raise
    except _UNREADABLE as error:
        raise damaged(path) from error
    if not isinstance(state, dict):
        raise damaged(path)
    return state


def damaged(path: Path) -> MedSynthError:
    """Return the refusal of a checkpoint."""
    return MedSynthError(f"The checkpoint {path} is damaged; start again in another folder.", kind="model")


def write_weights(state: Mapping[str, Tensor], path: Path) -> None:
    """Write weights as safetensors, with a digest."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    with atomic_write(path) as temporary:
        # Not written by safetensors itself, whose write errors are not `OSError`.
        temporary.write_bytes(save(tensors, {DIGEST: _digest(tensors)}))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the weights that `write_weights` wrote; those of earlier versions have no digest.

    Raises:
        MedSynthError: the file is missing or damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            known = (file.metadata() or {}).get(DIGEST)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError) as error:
        raise _bad_weights(path) from error
    if known not in (None, _digest(tensors)):
        raise _bad_weights(path)
    return tensors


def _bad_weights(path: Path) -> MedSynthError:
    return MedSynthError(
        f"The weights {path} of the best epoch are missing or damaged; start again in another folder.", kind="model"
    )


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
