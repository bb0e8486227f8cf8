"""A network for slices, run over a volume."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .settings import Settings

# (n, channels, …) → (n, channels, …), float32.
Network = Callable[[np.ndarray], np.ndarray]


def run_slices(network: Network, voxels: np.ndarray, boxes: np.ndarray | None, settings: Settings) -> np.ndarray:
    """Return what the network makes (outputs, k, j, i) of prepared inputs (inputs, k, j, i), slice by slice.

    ``boxes`` (k, 4) are the rows and columns of each slice that the network sees; None for whole slices.
    """
    if boxes is None:
        boxes = np.tile([0, voxels.shape[2], 0, voxels.shape[3]], (voxels.shape[1], 1))
    outputs = settings.outputs
    offsets = _offsets(settings, settings.network["output_channels"] // len(outputs))
    total = np.zeros((len(outputs), *voxels.shape[1:]), dtype=np.float32)
    count = np.zeros(voxels.shape[1:], dtype=np.uint8)
    for k, box in enumerate(boxes):
        if not box.any():
            continue
        frame = _frame(box, settings)
        inside, taken = _placed(box, frame)
        made = network(_framed(voxels, k, box, settings))[0][(slice(None), *inside)]
        for channel, image in enumerate(made.reshape(len(outputs), len(offsets), *made.shape[1:]).swapaxes(0, 1)):
            at = k + offsets[channel]
            if 0 <= at < voxels.shape[1]:
                total[(slice(None), at, *taken)] += image
                count[(at, *taken)] += 1
    for volume, output in zip(total, outputs, strict=True):
        volume[count == 0] = output.empty
    return total / np.maximum(count, 1)


def _offsets(settings: Settings, channels: int) -> list[int]:
    """Return the offset of each channel's slice from the central one."""
    neighbours = settings.facts["slices"] == "neighbours"
    return [channel - channels // 2 if neighbours else 0 for channel in range(channels)]


def _framed(voxels: np.ndarray, k: int, box: np.ndarray, settings: Settings) -> np.ndarray:
    """Return the network's input for slice ``k``, (1, channels, rows, columns): its box in the middle of its frame."""
    frame = _frame(box, settings)
    inside, taken = _placed(box, frame)
    parts = []
    for volume, image in zip(voxels, settings.inputs, strict=True):
        index = k + np.array(_offsets(settings, settings.network["input_channels"] // len(settings.inputs)))
        framed = np.full((len(index), *frame), image.empty, dtype=np.float32)
        framed[(slice(None), *inside)] = volume[index.clip(0, len(volume) - 1)][(slice(None), *taken)]
        parts.append(framed)
    return np.concatenate(parts)[None]


def _frame(box: np.ndarray, settings: Settings) -> tuple[int, int]:
    """Return the rows and columns of the frame of a box: as in training, or more if it does not fit."""
    trained, multiple = settings.facts["frame"], settings.network["multiple_of"]
    top, bottom, left, right = (int(n) for n in box)
    rows, columns = (max(trained, size + -size % multiple) for size in (bottom - top, right - left))
    return rows, columns


def _placed(box: np.ndarray, frame: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where a box lies in the middle of its frame, and in the slice."""
    rows, columns = (_in_line(int(box[2 * n]), int(box[2 * n + 1]), frame[n]) for n in range(2))
    return (rows[0], columns[0]), (rows[1], columns[1])


def _in_line(start: int, stop: int, frame: int) -> tuple[slice, slice]:
    # A box of odd size has its additional empty line at the end.
    size = stop - start + (stop - start) % 2
    first = (frame - size) // 2
    inside = slice(max(first, 0), min(first + stop - start, frame))
    return inside, slice(inside.start - first + start, inside.stop - first + start)
