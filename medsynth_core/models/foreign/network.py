"""An ONNX file as a network that the predictors run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from medsynth_core.errors import MedSynthError
from medsynth_core.models.foreign.fit import fitting
from medsynth_core.models.foreign.onnx_file import Layout, read_layout
from medsynth_core.preparation.contract import SynthesisContract

Run = Callable[[dict[str, np.ndarray]], np.ndarray]
# Bytes per voxel of a forward pass: 64 channels of features, four times.
MEMORY_PER_VOXEL = 1024
# Of the rows and columns of an image; the published networks have up to 256.
LARGEST_MULTIPLE = 1024
MISSING_RUNTIME = "ONNX models need ONNX Runtime or OpenVINO; install it with: pip install 'medsynth-core[export]'."


@dataclass(frozen=True)
class Description:
    """What a network of others takes: its layout, and what rows, columns and slices must be multiples of."""

    layout: Layout
    multiple_of: int

    def padded(self, size: Sequence[int]) -> tuple[int, ...]:
        """Return the size to which an image is padded.

        Raises:
            MedSynthError: the network takes smaller images alone.
        """
        fixed, multiple = self.layout.inputs[0].size, self.multiple_of
        wanted = tuple(side or -(-length // multiple) * multiple for side, length in zip(fixed, size, strict=True))
        if any(side < length for side, length in zip(wanted, size, strict=True)):
            raise does_not_take(size, f"it takes {' × '.join(map(str, wanted))} voxels at most")
        return wanted


class OnnxNetwork(nn.Module):
    """The network of an ONNX file: (n, in_channels, …) → (n, out_channels, …), computed on the CPU.

    Images are padded with empty voxels to a size that it takes, and the result is cropped.

    Args:
        run: takes images by name of the input, and returns the result.
        described: inputs and output of the file, and the sizes that it takes.
        empty: network value of empty space for each channel.
        runtime: what runs it, with its version.
    """

    halo = 0
    cpu_only = True

    def __init__(self, run: Run, described: Description, empty: list[float], runtime: str) -> None:
        super().__init__()
        self.run, self.described, self.empty, self.runtime = run, described, empty, runtime
        self.layout = layout = described.layout
        self.multiple_of, self.in_channels = described.multiple_of, layout.in_channels
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
        padded = self._padded(image.float().cpu())
        one_by_one = any(port.images == 1 for port in self.layout.inputs)
        parts = padded.split(1) if one_by_one else (padded,)
        made = torch.from_numpy(np.concatenate([self._run(part) for part in parts]))
        wanted = (len(image), self.out_channels, *padded.shape[2:])
        if tuple(made.shape) != wanted:
            raise does_not_take(padded.shape[2:], f"the result has the shape {tuple(made.shape)}, not {wanted}")
        for axis, length in enumerate(size):
            made = made.narrow(axis + 2, 0, length)
        return made.to(image.device)

    def _run(self, image: Tensor) -> np.ndarray:
        ports = self.layout.inputs
        parts = image.split([port.channels for port in ports], dim=1)
        try:
            return self.run({port.name: part.contiguous().numpy() for port, part in zip(ports, parts, strict=True)})
        except Exception as error:  # ONNX Runtime and OpenVINO raise classes of their own
            raise does_not_take(image.shape[2:], _reason(error)) from error

    def _padded(self, image: Tensor) -> Tensor:
        size = image.shape[2:]
        missing = [side - length for side, length in zip(self.described.padded(size), size, strict=True)]
        if not any(missing):
            return image
        ends = [end for side in reversed(missing) for end in (0, side)]
        channels = zip(image.split(1, dim=1), self.empty, strict=True)
        return torch.cat([pad(channel, ends, value=value) for channel, value in channels], dim=1)


def describe(path: Path, contract: SynthesisContract, options: Mapping[str, Any]) -> tuple[bytes, Description]:
    """Return the content of an ONNX file and what it takes, after a check that it fits a contract; nothing is run.

    Args:
        path: the file.
        contract: contract of the model.
        options: ``multiple_of``, of which rows, columns and slices must be multiples; 1 by default.

    Raises:
        MedSynthError: as `read_layout`, or the file does not fit the contract.
    """
    content = path.read_bytes()
    return content, Description(fitting(read_layout(content, path), contract, path), _multiple(options, path))


def onnx_network(path: Path, contract: SynthesisContract, options: Mapping[str, Any]) -> OnnxNetwork:
    """Return the network of an ONNX file.

    Args:
        path, contract, options: as for `describe`.

    Raises:
        MedSynthError: as `describe`, or neither ONNX Runtime nor OpenVINO is installed or can read the file.
    """
    content, described = describe(path, contract, options)
    channels = described.layout.in_channels // len(contract.inputs)
    empty = [side.empty for side in contract.inputs.values() for _ in range(channels)]
    try:
        run, runtime = _session(content, described.layout)
    except ImportError as error:
        raise MedSynthError(MISSING_RUNTIME, kind="model") from error
    except Exception as error:  # as in `OnnxNetwork._run`
        raise MedSynthError(f"The network {path} cannot be used: {_reason(error)}.", kind="model") from error
    return OnnxNetwork(run, described, empty, runtime)


def _multiple(options: Mapping[str, Any], path: Path) -> int:
    found = options.get("multiple_of", 1)
    if type(found) is not int or not 1 <= found <= LARGEST_MULTIPLE:
        raise MedSynthError(
            f"The card of the network {path} is not valid at 'multiple_of', which must be a whole number from 1 to "
            f"{LARGEST_MULTIPLE}; correct it.",
            kind="model",
        )
    return found


def _session(content: bytes, layout: Layout) -> tuple[Run, str]:
    """Return what runs an ONNX file, ONNX Runtime or, where that is not installed, OpenVINO, and its version."""
    try:
        import onnxruntime
    except ImportError:
        return _openvino(content)
    onnxruntime.disable_telemetry_events()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    version = f"ONNX Runtime {onnxruntime.__version__}"
    return lambda images: np.asarray(session.run([layout.output.name], images)[0]), version


def _openvino(content: bytes) -> tuple[Run, str]:
    # OpenVINO reports its use to Intel if it finds this package.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(core.read_model(content, b""), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda images: np.array(compiled(images)[0]), f"OpenVINO {openvino.__version__}"


def does_not_take(size: Sequence[int], reason: str) -> MedSynthError:
    """Return the error that a network does not take images of a size."""
    return MedSynthError(
        f"The ONNX network does not take {' × '.join(map(str, size))} voxels: {reason}; check multiple_of and contract "
        "of its card.",
        kind="model",
    )


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
