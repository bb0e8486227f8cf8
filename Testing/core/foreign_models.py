"""ONNX files as others make them, and their cards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from builders import CT_SIDE, PET_SIDE

CARD: dict[str, Any] = {
    "name": "foreign",
    "title": "Network of others",
    "description": "Makes a PET of a CT.",
    "limits": ["It was made for tests."],
    "intended_use": "Tests.",
    "licence": "CC0-1.0",
    "data_licence": "None; it was not trained.",
}
CONTRACT: dict[str, Any] = {"inputs": {"ct": CT_SIDE}, "outputs": {"pet": PET_SIDE}, "body_margin": 5.0}


def write_card(path: Path, contract: dict[str, Any] | None = None, **changes: Any) -> Path:
    """Write a card as JSON, which is YAML too; ``contract`` changes that of a model from CT to PET."""
    path.write_text(json.dumps({**CARD, "contract": {**CONTRACT, **(contract or {})}, **changes}), encoding="utf-8")
    return path


def onnx_model(inputs: dict[str, list[Any]], nodes: list[Any], result: list[Any], constants: dict[str, Any]) -> Any:
    """Return an ONNX model with inputs and a result of these shapes (texts are free), made of ``nodes``."""
    from onnx import TensorProto, helper, numpy_helper

    def port(name: str, shape: list[Any]) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "network",
        [port(name, shape) for name, shape in inputs.items()],
        [port("result", result)],
        [numpy_helper.from_array(np.asarray(values, np.float32), name) for name, values in constants.items()],
    )
    # Versions that every ONNX Runtime of the last years reads.
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def mean_filter(dims: int = 2, size: tuple[Any, ...] = ("rows", "columns"), images: Any = "images") -> Any:
    """Return a model that averages 3 voxels along each axis."""
    from onnx import helper

    weights = np.full((1, 1, *[3] * dims), 1 / 3**dims)
    node = helper.make_node("Conv", ["image", "weights"], ["result"], pads=[1] * 2 * dims)
    return onnx_model({"image": [images, 1, *size]}, [node], [images, 1, *size], {"weights": weights})


def weighted_sum() -> Any:
    """Return a model of two images: the first, and a tenth of the second."""
    from onnx import helper

    shape = ["images", 1, "rows", "columns"]
    nodes = [
        helper.make_node("Mul", ["second", "tenth"], ["part"]),
        helper.make_node("Add", ["first", "part"], ["result"]),
    ]
    return onnx_model({"first": shape, "second": shape}, nodes, shape, {"tenth": 0.1})


def halving(dims: int) -> Any:
    """Return a model that takes the mean of 2 voxels along each axis, and so only sizes that can be halved."""
    from onnx import helper

    size = ["d", "h", "w"][-dims:]
    pool = helper.make_node("AveragePool", ["image"], ["small"], kernel_shape=[2] * dims, strides=[2] * dims)
    larger = helper.make_node("Resize", ["small", "", "scales"], ["large"], mode="nearest")
    # Fails where the size is not the same.
    add = helper.make_node("Sub", ["large", "image"], ["difference"])
    last = helper.make_node("Add", ["difference", "image"], ["result"])
    shape = ["images", 1, *size]
    return onnx_model({"image": shape}, [pool, larger, add, last], shape, {"scales": [1, 1, *[2] * dims]})


def endless() -> Any:
    """Return a model that adds 0 to its image for years."""
    from onnx import TensorProto, helper, numpy_helper

    shape = ["images", 1, "rows", "columns"]
    going = helper.make_tensor_value_info("going", TensorProto.BOOL, [])
    step = helper.make_tensor_value_info("step", TensorProto.INT64, [])
    held = helper.make_tensor_value_info("held", TensorProto.FLOAT, shape)
    after = [helper.make_tensor_value_info("still", TensorProto.BOOL, []), _renamed(held, "next")]
    nodes = [helper.make_node("Identity", ["going"], ["still"]), helper.make_node("Add", ["held", "zero"], ["next"])]
    body = helper.make_graph(nodes, "body", [step, going, held], after)
    loop = helper.make_node("Loop", ["count", "", "image"], ["result"], body=body)
    model = onnx_model({"image": shape}, [loop], shape, {"zero": 0})
    model.graph.initializer.append(numpy_helper.from_array(np.array(1 << 60), "count"))
    return model


def hungry() -> Any:
    """Return a model that makes 16 GiB of zeros."""
    from onnx import helper, numpy_helper

    shape = ["images", 1, "rows", "columns"]
    nodes = [
        helper.make_node("ConstantOfShape", ["length"], ["zeros"]),
        helper.make_node("ReduceMax", ["zeros"], ["zero"], keepdims=0),
        helper.make_node("Add", ["image", "zero"], ["result"]),
    ]
    model = onnx_model({"image": shape}, nodes, shape, {})
    model.graph.initializer.append(numpy_helper.from_array(np.array([1 << 32]), "length"))
    return model


def _renamed(value: Any, name: str) -> Any:
    copy = type(value)()
    copy.CopyFrom(value)
    copy.name = name
    return copy
