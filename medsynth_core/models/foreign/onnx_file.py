"""ONNX files of others: what they may contain, and the images that they take and make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsynth_core.errors import MedSynthError

# Operators of ONNX itself; all others need code that a file does not contain.
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
# ONNX's number for tensors in single precision.
SINGLE = 1
# Of an image; the published networks that take neighbouring slices have up to 9.
MOST_CHANNELS = 512


@dataclass(frozen=True)
class Port:
    """An input or output of an ONNX file.

    Attributes:
        name: its name.
        images: images at once; None for any number.
        channels: channels of an image.
        size: (slices,) rows and columns; None where any number is taken.
    """

    name: str
    images: int | None
    channels: int
    size: tuple[int | None, ...]


@dataclass(frozen=True)
class Layout:
    """The inputs of an ONNX file, which are images of the same kind, and its output."""

    inputs: tuple[Port, ...]
    output: Port

    @property
    def in_channels(self) -> int:
        """Channels of all inputs together."""
        return sum(port.channels for port in self.inputs)

    @property
    def spatial_dims(self) -> int:
        """2 for slices, 3 for volumes."""
        return len(self.output.size)


def read_layout(content: bytes, path: Path) -> Layout:
    """Return the inputs and the output of an ONNX file, after a check that it is complete in itself.

    Args:
        content: content of the file.
        path: its path, for messages.

    Raises:
        MedSynthError: the package onnx is not installed; or the file is not ONNX, refers to other files, has operators
            of others, several outputs, or an input or output that is not an image in single precision.
    """
    model = _parsed(content, path)
    for graph in _graphs(model):
        _check_parts(graph, path)
    graph = _with_shapes(model).graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = tuple(_port(value, path) for value in graph.input if value.name not in constants)
    if not inputs or len(graph.output) != 1:
        found = f"has {len(graph.output)} outputs" if inputs else "has no input"
        raise _refused(path, f"{found}, but a model takes one image or several and makes one")
    output = _port(graph.output[0], path)
    if {len(port.size) for port in inputs} != {len(output.size)}:
        raise _refused(path, "mixes slices and volumes")
    return Layout(inputs, output)


def _parsed(content: bytes, path: Path) -> Any:
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise MedSynthError(
            f"ONNX models need the package {error.name}; install it with: pip install 'medsynth-core[export]'.",
            kind="model",
        ) from error
    try:
        return onnx.load_model_from_string(content)
    except (DecodeError, ValueError) as error:
        raise _refused(path, "is not an ONNX file") from error


def _with_shapes(model: Any) -> Any:
    """Return a model with the shapes of its results, where the file leaves them open."""
    import onnx

    try:
        return onnx.shape_inference.infer_shapes(model)
    except Exception:  # larger than 2 GB, or something that the session will refuse with its reason
        return model


def _graphs(model: Any) -> Iterator[Any]:
    """Yield the graph of a model, and those within its nodes and functions."""
    waiting = [model.graph, *model.functions]
    while waiting:
        graph = waiting.pop()
        yield graph
        for attribute in (attribute for node in graph.node for attribute in node.attribute):
            waiting += [attribute.g] if attribute.HasField("g") else []
            waiting += attribute.graphs


def _check_parts(graph: Any, path: Path) -> None:
    for tensor in _tensors(graph):
        if tensor.data_location or tensor.external_data:
            raise _refused(path, "keeps weights in other files; save it as one file")
    for node in graph.node:
        if node.domain not in DOMAINS:
            raise _refused(path, f"has the operator '{node.op_type}' of '{node.domain}', which is not one of ONNX")


def _tensors(graph: Any) -> Iterator[Any]:
    # Functions have no weights of their own.
    yield from getattr(graph, "initializer", ())
    for sparse in getattr(graph, "sparse_initializer", ()):
        yield from (sparse.values, sparse.indices)
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        yield attribute.t
        yield from attribute.tensors
        for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
            yield from (sparse.values, sparse.indices)


def _port(value: Any, path: Path) -> Port:
    kind = value.type.tensor_type
    images, channels, *size = _lengths(kind) if len(kind.shape.dim) > 2 else (0, 0)
    if kind.elem_type != SINGLE or len(size) not in (2, 3) or not channels:
        raise _refused(
            path,
            f"has the input or output '{value.name}', which is not an image in single precision (images × channels × "
            "rows × columns, or with slices before the rows) with a fixed number of channels",
        )
    if channels > MOST_CHANNELS:
        raise _refused(path, f"has {channels} channels in '{value.name}', and at most {MOST_CHANNELS} are taken")
    return Port(value.name, images, channels, tuple(size))


def _lengths(kind: Any) -> Iterator[int | None]:
    # Some programs write -1 for what is free.
    return (dim.dim_value if dim.dim_value > 0 else None for dim in kind.shape.dim)


def _refused(path: Path, reason: str) -> MedSynthError:
    return MedSynthError(f"The network {path} cannot be used: it {reason}.", kind="model")
