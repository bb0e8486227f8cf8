"""An ONNX file as a network that the predictors run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from medsynth_core.errors import MedSynthError
from medsynth_core.models.foreign.onnx_file import Layout, read_layout
from medsynth_core.preparation.contract import SynthesisContract

Run = Callable[[dict[str, np.ndarray]], np.ndarray]
# Bytes per voxel of a forward pass: 64 channels of features, four times.
MEMORY_PER_VOXEL = 1024
# Of the rows and columns of an image; the published networks have up to 256.
LARGEST_MULTIPLE = 1024


class OnnxNetwork(nn.Module):
    """The network of an ONNX file: (n, in_channels, …) → (n, out_channels, …), computed on the CPU.

    Images are padded with empty voxels to a size that it takes, and the result is cropped.

    Args:
        run: takes images by name of the input, and returns the result.
        layout: inputs and output of the file.
        empty: network value of empty space for each channel.
        multiple: rows, columns and slices must be multiples of it.
    """

    halo = 0
    cpu_only = True

    def __init__(self, run: Run, layout: Layout, empty: list[float], multiple: int) -> None:
        super().__init__()
        self.run, self.layout, self.empty, self.multiple_of = run, layout, empty, multiple
        self.in_channels = sum(port.channels for port in layout.inputs)
        self.out_channels, self.spatial_dims = layout.output.channels, layout.spatial_dims

    def memory_per_voxel(self) -> int:
        """Return the assumed memory of a forward pass in bytes per voxel."""
        return MEMORY_PER_VOXEL

    def forward(self, image: Tensor) -> Tensor:
        """Return the result for a batch of images.

        Raises:
            MedSynthError: the network does not take images of that size, or fails.
        """
        size = image.shape[2:]
        # Without values only the size of the result is wanted, which ONNX Runtime tells by running.
        values = torch.zeros(image.shape) if image.is_meta else image.float().cpu()
        padded = self._padded(values)
        one_by_one = any(port.images == 1 for port in self.layout.inputs)
        parts = padded.split(1) if one_by_one else (padded,)
        made = torch.from_numpy(np.concatenate([self._run(part) for part in parts]))
        wanted = (len(image), self.out_channels, *padded.shape[2:])
        if tuple(made.shape) != wanted:
            raise _failed(padded, f"the result has the shape {tuple(made.shape)}, not {wanted}")
        for axis, length in enumerate(size):
            made = made.narrow(axis + 2, 0, length)
        return made.to(image.device)

    def _run(self, image: Tensor) -> np.ndarray:
        ports = self.layout.inputs
        parts = image.split([port.channels for port in ports], dim=1)
        try:
            return self.run({port.name: part.contiguous().numpy() for port, part in zip(ports, parts, strict=True)})
        except Exception as error:  # ONNX Runtime and OpenVINO raise classes of their own
            raise _failed(image, _reason(error)) from error

    def _padded(self, image: Tensor) -> Tensor:
        size, fixed = image.shape[2:], self.layout.inputs[0].size
        wanted = [
            side or -(-length // self.multiple_of) * self.multiple_of for side, length in zip(fixed, size, strict=True)
        ]
        missing = [side - length for side, length in zip(wanted, size, strict=True)]
        if min(missing) < 0:
            raise _failed(image, f"it takes {' × '.join(map(str, wanted))} voxels at most")
        if not any(missing):
            return image
        ends = [end for side in reversed(missing) for end in (0, side)]
        channels = zip(image.split(1, dim=1), self.empty, strict=True)
        return torch.cat([pad(channel, ends, value=value) for channel, value in channels], dim=1)


def onnx_network(path: Path, contract: SynthesisContract, options: Mapping[str, Any]) -> OnnxNetwork:
    """Return the network of an ONNX file, after a check of what it contains and of its fit to a contract.

    Args:
        path: the file, of which everything is read at once.
        contract: contract of the model.
        options: ``multiple_of``, of which rows, columns and slices must be multiples; 1 by default.

    Raises:
        MedSynthError: as `read_layout`, the inputs do not fit the contract, or neither ONNX Runtime nor OpenVINO is
            installed or can read the file.
    """
    content = path.read_bytes()
    layout = _ordered(read_layout(content, path), contract)
    _check_fit(layout, contract, path)
    channels = sum(port.channels for port in layout.inputs) // len(contract.inputs)
    empty = [side.empty for side in contract.inputs.values() for _ in range(channels)]
    try:
        run = _session(content, layout)
    except ImportError as error:
        raise MedSynthError(
            "ONNX models need ONNX Runtime or OpenVINO; install it with: pip install 'medsynth-core[export]'.",
            kind="model",
        ) from error
    except Exception as error:  # as in `OnnxNetwork._run`
        raise MedSynthError(f"The network {path} cannot be used: {_reason(error)}.", kind="model") from error
    return OnnxNetwork(run, layout, empty, _multiple(options, path))


def _multiple(options: Mapping[str, Any], path: Path) -> int:
    found = options.get("multiple_of", 1)
    if type(found) is not int or not 1 <= found <= LARGEST_MULTIPLE:
        raise MedSynthError(
            f"The card of the network {path} is not valid at 'multiple_of', which must be a whole number from 1 to "
            f"{LARGEST_MULTIPLE}; correct it.",
            kind="model",
        )
    return found


def _ordered(layout: Layout, contract: SynthesisContract) -> Layout:
    """Return a layout with its inputs in the order of the contract if they have the names of its roles."""
    ports = {port.name: port for port in layout.inputs}
    if ports.keys() != contract.inputs.keys():
        return layout
    return replace(layout, inputs=tuple(ports[role] for role in contract.inputs))


def _check_fit(layout: Layout, contract: SynthesisContract, path: Path) -> None:
    count, sizes = len(contract.inputs), {port.size for port in layout.inputs}
    channels = {port.channels for port in layout.inputs}
    fits = len(layout.inputs) == count or (len(layout.inputs) == 1 and layout.inputs[0].channels % count == 0)
    if not fits or len(channels) > 1 or len(sizes) > 1 or len(contract.outputs) > 1:
        shapes = ", ".join(f"{port.name}: {port.channels}" for port in layout.inputs)
        raise _unfit(path, f"these channels ({shapes}) and makes one image", "contract.inputs or contract.outputs")
    if (contract.slab is None) != (layout.spatial_dims == 2):
        raise _unfit(path, f"{layout.spatial_dims}-D images", "contract.slab")
    (size,) = sizes
    plane = (size[-2], size[-1])
    if contract.slab is not None:
        if size[0] not in (None, contract.slab.slices):
            raise _unfit(path, f"{size[0]} slices", "contract.slab.slices")
    elif plane != (None, None) and plane not in (contract.matrix, (contract.frame, contract.frame)):
        raise _unfit(path, f"{plane[0]} rows and {plane[1]} columns alone", "contract.matrix (or contract.frame)")


def _unfit(path: Path, takes: str, key: str) -> MedSynthError:
    return MedSynthError(
        f"The network {path} takes {takes}, which does not fit its card; correct {key}.",
        kind="model",
    )


def _session(content: bytes, layout: Layout) -> Run:
    """Return what runs an ONNX file in ONNX Runtime or, where that is not installed, OpenVINO."""
    try:
        import onnxruntime
    except ImportError:
        return _openvino(content)
    onnxruntime.disable_telemetry_events()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda images: np.asarray(session.run([layout.output.name], images)[0])


def _openvino(content: bytes) -> Run:
    # OpenVINO reports its use to Intel if it finds this package.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(core.read_model(content, b""), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda images: np.array(compiled(images)[0])


def _failed(image: Tensor, reason: str) -> MedSynthError:
    size = " × ".join(map(str, image.shape[2:]))
    return MedSynthError(
        f"The ONNX network does not take {size} voxels: {reason}; check multiple_of and contract of its card.",
        kind="model",
    )


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
