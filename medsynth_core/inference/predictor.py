"""Choice of the predictor for a network."""

from __future__ import annotations

import torch
from torch import nn

from medsynth_core.errors import MedSynthError
from medsynth_core.inference.backends import Backend
from medsynth_core.inference.slab_predictor import SlabPredictor
from medsynth_core.inference.slice_predictor import Predictor
from medsynth_core.preparation.contract import SynthesisContract

AnyPredictor = Predictor | SlabPredictor


def create_predictor(
    network: nn.Module,
    contract: SynthesisContract,
    device: torch.device,
    batch_size: int | None = None,
    backend: Backend | None = None,
) -> AnyPredictor:
    """Return the predictor for ``network``: slice by slice, or slab by slab if the contract has a slab.

    ``backend`` runs the network; None for PyTorch.

    Raises:
        MedSynthError: the network is 2-D and the contract has a slab, or 3-D and it has none; the network's dose
            classes or channels do not fit the contract; or the batch size is below one.
    """
    dims = getattr(network, "spatial_dims", 2)
    if dims == 3 and contract.slab is None:
        raise MedSynthError("A 3-D network needs a contract with a slab; add contract.slab.", kind="model")
    if dims == 2 and contract.slab is not None:
        raise MedSynthError("A 2-D network works on slices and needs no slab; remove contract.slab.", kind="model")
    classes, named = getattr(network, "classes", 0), len(contract.dose_factors)
    if classes and named and classes != named:
        raise MedSynthError(
            f"The network distinguishes {classes} doses, but contract.dose_factors lists {named}; the model is "
            "damaged, download it again.",
            kind="model",
        )
    check_channels(network, contract)
    return (SlabPredictor if dims == 3 else Predictor)(network, contract, device, batch_size, backend=backend)


def window_side(predictor: AnyPredictor) -> int | None:
    """Return the in-plane window size (voxels) of the last run; None if slices were not divided.

    If the network's receptive field is larger than the windows, the result depends slightly on their size.
    """
    return predictor.window_side if isinstance(predictor, SlabPredictor) else None


def check_channels(network: nn.Module, contract: SynthesisContract) -> None:
    """Check that a network's channels can be divided evenly between the images of a contract.

    Raises:
        MedSynthError: they cannot.
    """
    for what, count, sides in (
        ("input", getattr(network, "in_channels", 1), contract.inputs),
        ("output", getattr(network, "out_channels", 1), contract.outputs),
    ):
        if count % len(sides):
            raise MedSynthError(
                f"The network has {count} {what} channel{'s' * (count != 1)}, which cannot be divided evenly between "
                f"{len(sides)} {what} images ({', '.join(sides)}); set network.options.{what[:-3]}_channels to a "
                f"multiple of {len(sides)}.",
                kind="model",
            )
