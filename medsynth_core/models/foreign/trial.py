"""The trial run of a network of others, before MedSynth takes it: hostile ones may never end or take all memory."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from medsynth_core.errors import MedSynthError
from medsynth_core.models.foreign.network import MISSING_RUNTIME, Description, does_not_take

SECONDS = 60
MEMORY = 8 << 30
# Numbers of the images: 1 GiB, more than any slab of a person.
LARGEST = 1 << 28
_PROGRAM = Path(__file__).with_name("trial_run.py")


def try_network(path: Path, described: Description, size: tuple[int, ...]) -> None:
    """Run a network once in a process of its own, with limits of time and memory, and check the size of its result.

    Args:
        path: the ONNX file.
        described: its inputs and output.
        size: (slices,) rows and columns of an image.

    Raises:
        MedSynthError: it fails, does not end in time, takes too much memory, or makes another size.
    """
    layout, padded = described.layout, described.padded(size)
    count = 1 if len(size) == 3 or any(port.images == 1 for port in layout.inputs) else 2
    if count * layout.in_channels * math.prod(padded) > LARGEST:
        raise does_not_take(padded, "that is more than a trial may take")
    images = {port.name: [count, port.channels, *padded] for port in layout.inputs}
    made = _answer({"path": str(path), "images": images, "memory": MEMORY}, padded)
    wanted = [count, layout.output.channels, *padded]
    if made != wanted:
        raise does_not_take(padded, f"the result has the shape {tuple(made)}, not {tuple(wanted)}")


def _answer(request: dict[str, Any], size: tuple[int, ...]) -> list[int]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, str(_PROGRAM)]
    try:
        done = subprocess.run(
            command, input=json.dumps(request), capture_output=True, text=True, timeout=SECONDS, env=environment
        )
        found = json.loads(done.stdout.strip().rpartition("\n")[2])
    except subprocess.TimeoutExpired as error:
        raise does_not_take(size, f"it did not end within {SECONDS} seconds") from error
    except ValueError as error:
        raise does_not_take(
            size, f"it ended its process, perhaps for more than {MEMORY >> 30} GiB of memory"
        ) from error
    if "missing" in found:
        raise MedSynthError(MISSING_RUNTIME, kind="model")
    if "reason" in found:
        raise does_not_take(size, found["reason"].rstrip("."))
    shape: list[int] = found["shape"]
    return shape
