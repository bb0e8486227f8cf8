"""Order and comparability of the images of a contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from medsynth_core.io.pictures import COLOURS
from medsynth_core.preparation.contract import Contract, Side


def role_order(contract: Contract) -> list[list[str]]:
    """Return the roles of the inputs and of the outputs, in the order of the contract.

    The order determines the channels of the network and the grid of the result, but contracts that differ in it
    compare as equal, as dictionaries do.
    """
    return [list(contract.inputs), list(contract.outputs)]


def channels_of(sides: Mapping[str, Side]) -> dict[str, Side]:
    """Return the grey images that images consist of, by name and in order: one channel of a network each.

    An image in colour consists of three: ``role:red``, ``role:green`` and ``role:blue``.
    """
    return {
        name: side
        for role, side in sides.items()
        for name in ([f"{role}:{colour}" for colour in COLOURS] if side.colours else [role])
    }


def comparable(outputs: Iterable[Side]) -> bool:
    """Return whether errors in the unit of the image may be averaged over outputs: all have one modality and unit.

    The unit alone does not suffice: 1 is the unit of every MR, and of other images with arbitrary values.
    """
    return len({(side.modality, side.unit) for side in outputs}) <= 1
