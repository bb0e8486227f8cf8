"""Whether an ONNX file fits the contract of its card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medsynth_core.errors import MedSynthError
from medsynth_core.models.foreign.onnx_file import Layout
from medsynth_core.preparation.contract import SynthesisContract


def fitting(layout: Layout, contract: SynthesisContract, path: Path) -> Layout:
    """Return a layout with its inputs in the order of a contract, after a check that it fits the contract.

    Raises:
        MedSynthError: it does not, in number, names, channels, dimensions or sizes of the images.
    """
    ordered = _ordered(layout, contract)
    for check in (_check_inputs, _check_names, _check_dimensions, _check_channels, _check_size):
        check(ordered, contract, path)
    return ordered


def _ordered(layout: Layout, contract: SynthesisContract) -> Layout:
    """Return a layout with its inputs in the order of the contract if they have the names of its roles."""
    ports = {port.name: port for port in layout.inputs}
    if ports.keys() != contract.inputs.keys():
        return layout
    return replace(layout, inputs=tuple(ports[role] for role in contract.inputs))


def _check_inputs(layout: Layout, contract: SynthesisContract, path: Path) -> None:
    count, sizes = len(contract.inputs), {port.size for port in layout.inputs}
    channels = {port.channels for port in layout.inputs}
    fits = len(layout.inputs) == count or (len(layout.inputs) == 1 and layout.inputs[0].channels % count == 0)
    if not fits or len(channels) > 1 or len(sizes) > 1 or len(contract.outputs) > 1:
        shapes = ", ".join(f"{port.name}: {port.channels}" for port in layout.inputs)
        raise _unfit(path, f"these channels ({shapes}) and makes one image", "contract.inputs or contract.outputs")


def _check_names(layout: Layout, contract: SynthesisContract, path: Path) -> None:
    """Refuse inputs in another order than the roles that they are named after."""
    known = {role.casefold() for role in (*contract.inputs, *contract.outputs)}
    pairs = [*zip(layout.inputs, contract.inputs, strict=False), (layout.output, next(iter(contract.outputs)))]
    for port, role in pairs:
        if port.name.casefold() in known - {role.casefold()}:
            raise MedSynthError(
                f"The network {path} has an image '{port.name}' where its card has '{role}'; correct the roles of the "
                "card's contract, or rename the inputs and the output of the file.",
                kind="model",
            )


def _check_dimensions(layout: Layout, contract: SynthesisContract, path: Path) -> None:
    if (contract.slab is None) != (layout.spatial_dims == 2):
        raise _unfit(path, f"{layout.spatial_dims}-D images", "contract.slab")


def _check_channels(layout: Layout, contract: SynthesisContract, path: Path) -> None:
    """Refuse channels that are not slices: what they are would be a guess."""
    given, made = layout.in_channels // len(contract.inputs), layout.output.channels
    if contract.slab is not None and (given, made) != (1, 1):
        raise _unfit(path, f"volumes of {given} and makes volumes of {made} channels, not 1", "contract.inputs")
    slices = contract.slices == "neighbours" and made % 2 == 1 and made <= given
    if made != 1 and not slices:
        raise _unfit(path, f"{given} channels and makes {made}, which are no neighbouring slices", "contract.slices")


def _check_size(layout: Layout, contract: SynthesisContract, path: Path) -> None:
    size = layout.inputs[0].size
    plane = (size[-2], size[-1])
    if contract.slab is not None:
        if size[0] not in (None, contract.slab.slices):
            raise _unfit(path, f"{size[0]} slices", "contract.slab.slices")
        if plane != (None, None):
            raise MedSynthError(
                f"The network {path} takes volumes of {plane[0]} rows and {plane[1]} columns alone, but windows have "
                "the size that memory allows; save it with free rows and columns.",
                kind="model",
            )
    elif plane != (None, None) and plane not in (contract.matrix, (contract.frame, contract.frame)):
        raise _unfit(path, f"{plane[0]} rows and {plane[1]} columns alone", "contract.matrix (or contract.frame)")
    if any(made not in (None, taken) for made, taken in zip(layout.output.size, size, strict=True) if taken):
        raise _unfit(path, "images of one size and makes some of another", "the network, which must keep the size")


def _unfit(path: Path, takes: str, key: str) -> MedSynthError:
    return MedSynthError(f"The network {path} takes {takes}, which does not fit its card; correct {key}.", kind="model")
