"""Which predictor runs a network."""

from __future__ import annotations

import torch
from torch import nn

from medsynth_core.errors import MedSynthError
from medsynth_core.inference.predictor import Predictor
from medsynth_core.inference.slabs import SlabPredictor
from medsynth_core.preparation.contract import Contract

AnyPredictor = Predictor | SlabPredictor


def create_predictor(
    network: nn.Module, contract: Contract, device: torch.device, batch_size: int | None = None
) -> AnyPredictor:
    """Return what runs ``network`` over volumes: slice by slice, or slab by slab if the contract has one.

    Raises:
        MedSynthError: a 2-D network for slabs or a 3-D one for slices, one that tells another number of doses apart
            than the contract names, or a batch size below one.
    """
    dims = getattr(network, "spatial_dims", 2)
    if dims == 3 and contract.slab is None:
        raise MedSynthError("A 3-D network needs a contract that says its slab; give contract.slab.", kind="model")
    if dims == 2 and contract.slab is not None:
        raise MedSynthError("A 2-D network goes through slices and has no slab; remove contract.slab.", kind="model")
    classes, named = getattr(network, "classes", 0), len(contract.dose_factors)
    if classes and named and classes != named:
        raise MedSynthError(
            f"The network tells {classes} doses apart, but contract.dose_factors names {named}; the model is damaged, "
            "get it again.",
            kind="model",
        )
    return (SlabPredictor if dims == 3 else Predictor)(network, contract, device, batch_size)


def window_side(predictor: AnyPredictor) -> int | None:
    """Return the side (voxels) of the windows in which slices were computed last; None where they were whole.

    Where a network looks farther than its windows reach, its answer depends on them a little.
    """
    return predictor.window_side if isinstance(predictor, SlabPredictor) else None
