"""The network of a model as ONNX or OpenVINO file, which computes what PyTorch does."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from medsynth_core.errors import MedSynthError
from medsynth_core.preparation.contract import SynthesisContract

Format = Literal["onnx", "openvino"]
# Files of the network, by format; the first is the one to open.
FILES: dict[Format, tuple[str, ...]] = {"onnx": ("network.onnx",), "openvino": ("network.xml", "network.bin")}
# Old enough for every version of ONNX Runtime and OpenVINO in use.
OPSET = 17
# Protocol buffers, in which ONNX is written, end here.
LARGEST_BYTES = 2_000_000_000
# Rows and columns of a first image where the contract states none. One less than a power of two for networks for
# volumes, which take any size: layers that fit their image to another one are left out of the graph where it fits.
USUAL_SIDE, ODD_SIDE = 64, 63
# Largest difference from PyTorch, as a share of the range of the image: half of what the runner may differ.
TOLERANCE = 5e-5

Run = Callable[[np.ndarray], np.ndarray]


def write_network(network: nn.Module, contract: SynthesisContract, kind: Format, folder: Path) -> None:
    """Write a network into ``folder`` for any rows, columns and number of images, and compare it with PyTorch's.

    Raises:
        MedSynthError: a package for it is not installed, the network has a part that the format does not have, or it
            computes something else at another size.
    """
    _check_packages(kind)
    if sum(4 * weight.numel() for weight in network.parameters()) > LARGEST_BYTES:
        raise MedSynthError(
            "The weights of the network take more than 2 GB, which no ONNX file holds; export a smaller model.",
            kind="model",
        )
    network = network.eval()
    onnx = folder / FILES["onnx"][0]
    first, *others = _images(network, contract)
    _write_onnx(network, first, onnx)
    if kind == "openvino":
        _convert(onnx, folder / FILES[kind][0])
        onnx.unlink()
    run = (_openvino if kind == "openvino" else _onnx)(folder / FILES[kind][0])
    for image in (first, *others):
        _check_same(network, run, image)


def _check_packages(kind: Format) -> None:
    try:
        import onnx  # noqa: F401 - PyTorch's exporter needs it

        if kind == "openvino":
            _import_openvino()
        else:
            import onnxruntime  # noqa: F401
    except ImportError as error:
        raise MedSynthError(
            f"Exporting as {kind} needs the package {error.name}; install it with: "
            "pip install 'medsynth-core[export]'.",
            kind="output",
        ) from error


def _import_openvino() -> Any:
    # OpenVINO reports its use to Intel if it finds this package.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _images(network: nn.Module, contract: SynthesisContract) -> list[Tensor]:
    """Return images of different sizes, the first for the graph and all for the comparison."""
    multiple = cast(int, network.multiple_of)
    if contract.slab is None:
        side = -(-(contract.frame or USUAL_SIDE) // multiple) * multiple
        sizes: list[tuple[int, ...]] = [(1, side, side), (2, side + multiple, side + 2 * multiple)]
        return [_image(network, contract, count, size) for count, *size in sizes]
    depth = contract.slab.slices
    side = ODD_SIDE if multiple == 1 else -(-USUAL_SIDE // multiple) * multiple
    smaller = (depth, side - 2 * multiple, side - 7 * multiple if multiple < 8 else side)
    return [_image(network, contract, 1, size) for size in ((depth, side, side), smaller)]


def _image(network: nn.Module, contract: SynthesisContract, count: int, size: Sequence[int]) -> Tensor:
    low, high = contract.input.intensity.mapped
    channels = cast(int, network.in_channels)
    noise = torch.rand(count, channels, *size, generator=torch.Generator().manual_seed(1))
    return low + (high - low) * noise


def _write_onnx(network: nn.Module, image: Tensor, path: Path) -> None:
    free = {0: "images", image.ndim - 2: "rows", image.ndim - 1: "columns"}
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            # Not the newer exporter: it fixes sizes that a network compares.
            torch.onnx.export(
                network,
                (image,),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=["image"],
                output_names=["result"],
                dynamic_axes={"image": free, "result": free},
            )
    except (RuntimeError, TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise MedSynthError(f"The network cannot be written as ONNX ({reason}).", kind="model") from error


def _convert(onnx: Path, path: Path) -> None:
    openvino = _import_openvino()
    openvino.save_model(openvino.Core().read_model(str(onnx)), str(path), compress_to_fp16=False)


def _onnx(path: Path) -> Run:
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda image: np.asarray(session.run(None, {"image": image})[0])


def _openvino(path: Path) -> Run:
    compiled = _import_openvino().Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda image: np.array(compiled(image)[0])


def _check_same(network: nn.Module, run: Run, image: Tensor) -> None:
    with torch.inference_mode():
        wanted = network(image).numpy()
    size = " × ".join(map(str, image.shape[2:]))
    try:
        made = run(image.numpy())
    except Exception as error:  # ONNX Runtime raises classes of its own
        raise _differs(size, "fails") from error
    largest = TOLERANCE * max(float(np.ptp(wanted)), 1e-6)
    if made.shape != wanted.shape or not float(np.abs(made - wanted).max()) <= largest:
        raise _differs(size, "differs from PyTorch's")


def _differs(size: str, what: str) -> MedSynthError:
    return MedSynthError(
        f"The exported network {what} at {size} voxels, so the model cannot be used without MedSynth; use its package "
        "instead.",
        kind="model",
    )
