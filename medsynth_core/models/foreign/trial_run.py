"""One run of an ONNX file within limits of memory, in a process of its own: the request comes on the standard input.

This file is run, not imported; it needs NumPy, and ONNX Runtime or OpenVINO.
"""

import json
import os
import sys
from typing import Any

# What lies beside this file has names of its own.
if os.path.abspath(sys.path[0]) == os.path.dirname(os.path.abspath(__file__)):
    sys.path.pop(0)


def _limit(memory: int) -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    except (ImportError, OSError, ValueError):  # Windows has no such limit, and macOS may refuse it
        pass


def _result(path: str, images: dict[str, Any]) -> Any:
    try:
        import onnxruntime
    except ImportError:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
        import openvino

        return openvino.Core().compile_model(path, "CPU")(images)[0]
    onnxruntime.disable_telemetry_events()
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, images)[0]


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        import numpy

        images = {name: numpy.zeros(shape, numpy.float32) for name, shape in request["images"].items()}
        return {"shape": list(_result(request["path"], images).shape)}
    except ImportError:
        return {"missing": True}
    except BaseException as error:
        return {"reason": (str(error).strip() or type(error).__name__).splitlines()[0]}


if __name__ == "__main__":
    wanted = json.load(sys.stdin)
    _limit(wanted["memory"])
    print(json.dumps(_answer(wanted)))
