"""The network in ONNX Runtime or OpenVINO."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np

from .refusal import RefusalError
from .settings import Settings
from .slices import Network


def open_network(folder: str | Path, settings: Settings) -> Network:
    """Return the network of an exported model; it averages mirrored images where the model does.

    Raises:
        RefusalError: the package that runs it is missing, or a file is missing, damaged or changed.
    """
    kind = settings.network["format"]
    content = _checked(Path(folder), settings)
    try:
        network = (_openvino if kind == "openvino" else _onnx)(content)
    except ImportError as error:
        package = "openvino" if kind == "openvino" else "onnxruntime"
        raise RefusalError(
            f"The package {package} cannot be loaded ({error}); install it with pip install {package}."
        ) from error
    except Exception as error:  # ONNX Runtime and OpenVINO raise classes of their own
        raise RefusalError(f"The network in {folder} cannot be opened ({_reason(error)}); export it again.") from error
    network = _refusing(network)
    return _mirrored(network) if settings.facts["flip_average"] else network


def _checked(folder: Path, settings: Settings) -> list[bytes]:
    """Return the content of the network's files, first the one that describes it, after a check of their SHA-256."""
    name = settings.network["file"]
    names = [name, str(Path(name).with_suffix(".bin"))] if settings.network["format"] == "openvino" else [name]
    try:
        content = [(folder / name).read_bytes() for name in names]
    except OSError as error:
        raise RefusalError(f"The model in {folder} is not complete ({error}); export it again.") from error
    for name, part in zip(names, content, strict=True):
        if hashlib.sha256(part).hexdigest() != settings.facts["files"].get(name):
            raise RefusalError(f"{folder / name} is damaged or was changed; export the model again.")
    return content


def _onnx(content: list[bytes]) -> Network:
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    session = onnxruntime.InferenceSession(content[0], providers=["CPUExecutionProvider"])

    def run(image: np.ndarray) -> np.ndarray:
        found: np.ndarray = session.run(None, {"image": np.ascontiguousarray(image)})[0]
        return found

    return run


def _openvino(content: list[bytes]) -> Network:
    # Without this package OpenVINO reports to nobody that it is used.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    # Some processors would compute in half precision.
    core = openvino.Core()
    model = core.read_model(content[0], content[1])
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(image: np.ndarray) -> np.ndarray:
        return np.array(compiled(np.ascontiguousarray(image))[0])

    return run


def _refusing(network: Network) -> Network:
    """Return a network whose failures are refusals: too little memory, above all."""

    def run(image: np.ndarray) -> np.ndarray:
        try:
            return network(image)
        except Exception as error:  # ONNX Runtime and OpenVINO raise classes of their own
            size = " × ".join(map(str, image.shape[2:]))
            raise RefusalError(f"The network cannot compute {size} voxels: {_reason(error)}") from error

    return run


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _mirrored(network: Network) -> Network:
    def run(image: np.ndarray) -> np.ndarray:
        return (network(image) + network(image[..., ::-1])[..., ::-1]) / 2

    return run
