"""Every network by its name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from medsynth_core.errors import MedSynthError
from medsynth_core.networks.cascade import COMPACT, WIDE, Cascade
from medsynth_core.networks.contextual3d import CG3DSRGAN, ContextualNet
from medsynth_core.networks.dsggan import DSGGAN
from medsynth_core.networks.mlnet3d import MLNet3D, UNet3D
from medsynth_core.networks.patchgan import PatchGAN
from medsynth_core.networks.residual import ResidualUNet
from medsynth_core.networks.resnet import ResNetGenerator
from medsynth_core.networks.resnet3d import ResNet3D
from medsynth_core.networks.unet import UNet

REFERENCE_SIZE = 256
REFERENCE_DEPTH = 16


@dataclass(frozen=True)
class Entry:
    """A network of the registry: how it is built, where it comes from, and the options people may set."""

    build: Callable[..., nn.Module]
    title: str
    options: tuple[str, ...]


_STAGE = ("in_channels", "out_channels", "dropout", "upsample", "visual_activation")
_CASCADE = ("stages", *_STAGE, "channels", "stem", "see_input")

NETWORKS: dict[str, Entry] = {
    "unet256": Entry(
        partial(Cascade, channels=WIDE, stages=1),
        "U-Net for 256² images (pix2pix, and Deng et al.'s single stage)",
        (*_STAGE, "channels"),
    ),
    "cascade-wide": Entry(partial(Cascade, channels=WIDE), "Cascade of wide stages (Deng et al., CT→PET)", _CASCADE),
    "cascade-compact": Entry(
        partial(Cascade, channels=COMPACT), "Cascade of compact stages (Deng et al., CT→PET)", _CASCADE
    ),
    "cas-unet": Entry(
        partial(Cascade, channels=WIDE, stages=2),
        "Cas-UNet: two U-Nets in a row (Deng et al., CT→PET)",
        (*_STAGE, "channels"),
    ),
    "dsggan": Entry(
        DSGGAN,
        "DSGGAN-style generator, reconstructed (after Wang et al.)",
        ("in_channels", "out_channels", "channels"),
    ),
    "unet-ctmr": Entry(UNet, "U-Net (Dong et al., CT→MRI)", ("in_channels", "out_channels", "batch_norm", "channels")),
    "resnet9": Entry(
        ResNetGenerator, "Residual generator (CycleGAN)", ("in_channels", "out_channels", "channels", "blocks")
    ),
    "patchgan2d": Entry(PatchGAN, "70×70 PatchGAN discriminator", ("in_channels", "channels", "layers")),
    "mlnet3d": Entry(
        MLNet3D,
        "ML-Net: 3-D U-Net with a head for the dose reduction factor (Xue et al., CG-3DSRGAN)",
        ("channels", "classes", "residual"),
    ),
    "contextual3d": Entry(ContextualNet, "Contextual-Net (Xue et al., CG-3DSRGAN)", ("channels", "residual")),
    "cg3dsrgan": Entry(
        CG3DSRGAN,
        "ML-Net and Contextual-Net in a row (Xue et al., CG-3DSRGAN)",
        ("channels", "context_channels", "classes", "residual"),
    ),
    "unet3d": Entry(UNet3D, "3-D U-Net (baseline of Xue et al.)", ("channels", "residual")),
    "resnet3d": Entry(ResNet3D, "3-D residual generator (3D-CycleGAN)", ("channels", "blocks")),
    "patchgan3d": Entry(
        partial(PatchGAN, in_channels=2, spatial_dims=3, padding=2),
        "3-D PatchGAN discriminator (Xue et al., CG-3DSRGAN)",
        ("in_channels", "channels", "layers"),
    ),
    "residual-unet": Entry(
        ResidualUNet,
        "MONAI residual U-Net (baseline)",
        ("in_channels", "out_channels", "channels"),
    ),
}


def create_network(name: str, **options: Any) -> nn.Module:
    """Return a new network with random weights.

    Args:
        name: as listed by ``medsynth networks``.
        options: those of the network, ``stages=7`` for a cascade, say.

    Raises:
        MedSynthError: no network of this name, an option it does not have, or a value it does not take.
    """
    if name not in NETWORKS:
        raise MedSynthError(f"There is no network called '{name}'; choose one of {', '.join(NETWORKS)}.", kind="model")
    entry = NETWORKS[name]
    unknown = sorted(set(options) - set(entry.options))
    if unknown:
        raise MedSynthError(
            f"The network '{name}' has no option '{unknown[0]}'; it has {', '.join(entry.options)}.",
            kind="model",
        )
    try:
        return entry.build(**options)
    except (TypeError, ValueError, RuntimeError) as error:
        raise MedSynthError(f"The network '{name}' cannot be built with {options}: {error}.", kind="model") from error


def count_parameters(network: nn.Module) -> int:
    """Return how many numbers training adjusts."""
    return sum(parameter.numel() for parameter in network.parameters())


@dataclass(frozen=True)
class Description:
    """What ``medsynth networks`` says of a network built with its default options."""

    name: str
    title: str
    options: dict[str, Any]
    parameters: int
    gflop: float

    def to_dict(self) -> dict[str, Any]:
        """Return the description as plain data."""
        return asdict(self)


def describe(name: str, **options: Any) -> Description:
    """Describe a network: its options with the values in force, parameters, and GFLOP for one image.

    The image has 256² pixels or, for a 3-D network, 16 · 256² voxels. A floating-point operation is a multiplication or
    an addition (two a multiply-add), batch of one, without anything being computed.

    Raises:
        MedSynthError: as `create_network`.
    """
    with torch.device("meta"):
        network = create_network(name, **options).eval()
        values = {**_defaults(NETWORKS[name]), **options}
        depth = (REFERENCE_DEPTH,) if getattr(network, "spatial_dims", 2) == 3 else ()
        image = torch.empty(1, values.get("in_channels", 1), *depth, REFERENCE_SIZE, REFERENCE_SIZE)
        with FlopCounterMode(display=False) as counter:
            network(image)
    return Description(
        name,
        NETWORKS[name].title,
        values,
        count_parameters(network),
        round(counter.get_total_flops() / 1e9, 4),
    )


def _defaults(entry: Entry) -> dict[str, Any]:
    parameters = inspect.signature(entry.build).parameters
    return {option: parameters[option].default for option in entry.options}
