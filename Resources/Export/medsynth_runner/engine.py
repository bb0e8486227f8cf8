"""The network in ONNX Runtime or OpenVINO."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from .refusal import RefusalError
from .settings import Settings
from .slices import Network


def open_network(folder: Path, settings: Settings) -> Network:
    """Return the network of an exported model; it averages mirrored images where the model does.

    Raises:
        RefusalError: the package that runs it is missing.
    """
    kind = settings.facts["network"]["format"]
    try:
        network = (_openvino if kind == "openvino" else _onnx)(folder / settings.facts["network"]["file"])
    except ImportError as error:
        package = "openvino" if kind == "openvino" else "onnxruntime"
        raise RefusalError(
            f"The package {package} cannot be loaded ({error}); install it with pip install {package}."
        ) from error
    network = _refusing(network)
    return _mirrored(network) if settings.facts["flip_average"] else network


def _onnx(path: Path) -> Network:
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(image: np.ndarray) -> np.ndarray:
        found: np.ndarray = session.run(None, {"image": np.ascontiguousarray(image)})[0]
        return found

    return run


def _openvino(path: Path) -> Network:
    # Without this package OpenVINO reports to nobody that it is used.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    # Some processors would compute in half precision.
    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

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
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise RefusalError(f"The network cannot compute {size} voxels: {reason}") from error

    return run


def _mirrored(network: Network) -> Network:
    def run(image: np.ndarray) -> np.ndarray:
        return (network(image) + network(image[..., ::-1])[..., ::-1]) / 2

    return run
