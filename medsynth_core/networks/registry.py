"""Networks by name."""

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
from medsynth_core.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from medsynth_core.networks.dsggan import DSGGAN
from medsynth_core.networks.from_noise import ModalitiesFromNoise
from medsynth_core.networks.image_features import ImageFeatures
from medsynth_core.networks.mlnet3d import MLNet3D, UNet3D
from medsynth_core.networks.modality_unet import ModalityUNet
from medsynth_core.networks.options import check_options
from medsynth_core.networks.patchgan import PatchGAN
from medsynth_core.networks.progressive import ProgressiveDiscriminator, ProgressiveGenerator
from medsynth_core.networks.residual import ResidualUNet
from medsynth_core.networks.resnet import ResNetGenerator
from medsynth_core.networks.ssd import SSD
from medsynth_core.networks.strided_discriminator import LatentDiscriminator, StridedDiscriminator
from medsynth_core.networks.structure_vae import StructureDecoder, StructureEncoder, StructureGenerator
from medsynth_core.networks.unet import UNet
from medsynth_core.networks.vgg import VGG11

# What constructors raise for options that they do not check: empty lists, texts for numbers.
UNBUILDABLE = (TypeError, RuntimeError, LookupError, ArithmeticError, AttributeError)
# Weights of a network: 16 GB in single precision, and three times as much for its training.
LARGEST_NETWORK = 4_000_000_000
REFERENCE_SIZE = 256
REFERENCE_DEPTH = 16


@dataclass(frozen=True)
class Entry:
    """A network of the registry: its constructor, title with source, and options that may be set."""

    build: Callable[..., nn.Module]
    title: str
    options: tuple[str, ...]


_STAGE = ("in_channels", "out_channels", "dropout", "upsample", "visual_activation")
_UNET = ("in_channels", "out_channels", "channels", "dropout", "output_norm")
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
        "Cas-UNet: cascade of two U-Nets (Deng et al., CT→PET)",
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
        "ML-Net: 3-D U-Net with a dose head (Xue et al., CG-3DSRGAN)",
        ("channels", "classes", "residual", "in_channels"),
    ),
    "contextual3d": Entry(ContextualNet, "Contextual-Net (Xue et al., CG-3DSRGAN)", ("channels", "residual")),
    "cg3dsrgan": Entry(
        CG3DSRGAN,
        "ML-Net followed by Contextual-Net (Xue et al., CG-3DSRGAN)",
        ("channels", "context_channels", "classes", "residual", "in_channels"),
    ),
    "unet3d": Entry(UNet3D, "3-D U-Net (baseline of Xue et al.)", ("channels", "residual", "in_channels")),
    "resnet3d": Entry(
        partial(ResNetGenerator, 1, 1, channels=32, blocks=6, spatial_dims=3, bounded=False),
        "3-D residual generator (3D-CycleGAN)",
        ("channels", "blocks"),
    ),
    "patchgan3d": Entry(
        partial(PatchGAN, in_channels=2, spatial_dims=3, padding=2),
        "3-D PatchGAN discriminator (Xue et al., CG-3DSRGAN)",
        ("in_channels", "channels", "layers"),
    ),
    "structure-encoder": Entry(
        StructureEncoder,
        "Encoder of structure maps (Qu, multi-modal synthesis)",
        ("size", "latent", "width", "dropout", "background"),
    ),
    "structure-decoder": Entry(
        StructureDecoder, "Decoder of structure maps (Qu, multi-modal synthesis)", ("size", "latent", "width")
    ),
    "structure-generator": Entry(
        StructureGenerator,
        "Decoder of structure maps with its mask network (Qu, multi-modal synthesis)",
        ("size", "latent", "width", "mask_channels", "mask_dropout"),
    ),
    "structure-mask": Entry(
        partial(ModalityUNet, 2, 2, channels=32, dropout=0.1),
        "Background mask of a structure map (Qu, multi-modal synthesis)",
        ("channels", "dropout"),
    ),
    "structure-discriminator": Entry(
        partial(StridedDiscriminator, 2), "Discriminator of structure maps (Qu, multi-modal synthesis)", ("channels",)
    ),
    "latent-discriminator": Entry(
        LatentDiscriminator, "Discriminator of codes (Qu, multi-modal synthesis)", ("latent", "channels")
    ),
    "multimodal-generator": Entry(
        partial(ModalityUNet, modalities=4),
        "Generator of several modalities (Qu, multi-modal synthesis)",
        (*_UNET, "modalities", "modality_scales"),
    ),
    "multimodal-from-noise": Entry(
        ModalitiesFromNoise,
        "Generator of structure maps and of images from these (Qu, multi-modal synthesis)",
        (
            *("size", "latent", "width", "mask_channels", "mask_dropout"),
            *("in_channels", "modalities", "channels", "dropout", "out_channels", "output_norm", "modality_scales"),
        ),
    ),
    "multimodal-discriminator": Entry(
        partial(StridedDiscriminator, modalities=4),
        "Discriminator of images and their modality (Qu, multi-modal synthesis)",
        ("in_channels", "channels", "modalities", "logits"),
    ),
    "modality-translator": Entry(
        partial(ModalityUNet, modalities=4),
        "Translator between modalities (Qu, multi-modal synthesis)",
        (*_UNET, "modalities", "modality_scales"),
    ),
    "lesion-segmenter": Entry(
        partial(ModalityUNet, out_channels=5), "Segmenter of lesions (Qu, multi-modal synthesis)", _UNET
    ),
    "lesion-classifier": Entry(
        VGG11,
        "Classifier of lesions: VGG-11 (Simonyan and Zisserman; Qu, multi-modal synthesis)",
        ("in_channels", "classes", "channels", "dropout"),
    ),
    "lesion-detector": Entry(
        SSD,
        "Detector of lesions: SSD on VGG-16 (Liu et al.; Qu, multi-modal synthesis)",
        ("in_channels", "classes", "channels", "size"),
    ),
    "image-features": Entry(
        ImageFeatures, "Features of an image, with which sets are compared", ("in_channels", "channels")
    ),
    "unet-gan": Entry(ModalityUNet, "Generator of GAN#, from noise (baseline of Qu)", _UNET),
    "skrgan": Entry(ModalityUNet, "Generator of SkrGAN as Qu implements it (baseline)", _UNET),
    "dcgan": Entry(
        DCGANGenerator, "Generator of DCGAN (Radford et al.)", ("size", "latent", "channels", "out_channels")
    ),
    "acgan": Entry(
        partial(DCGANGenerator, classes=3),
        "Generator of ACGAN (Odena et al.)",
        ("size", "latent", "channels", "out_channels", "classes"),
    ),
    "wgan": Entry(
        DCGANGenerator, "Generator of WGAN (Arjovsky et al.)", ("size", "latent", "channels", "out_channels")
    ),
    "dcgan-discriminator": Entry(
        DCGANDiscriminator,
        "Discriminator of DCGAN and WGAN",
        ("size", "in_channels", "channels", "normalisation"),
    ),
    "acgan-discriminator": Entry(
        partial(DCGANDiscriminator, classes=3),
        "Discriminator of ACGAN (Odena et al.)",
        ("size", "in_channels", "channels", "classes", "normalisation"),
    ),
    "pggan": Entry(
        ProgressiveGenerator, "Generator of PGGAN (Karras et al.)", ("size", "latent", "base", "most", "out_channels")
    ),
    "pggan-discriminator": Entry(
        ProgressiveDiscriminator, "Discriminator of PGGAN (Karras et al.)", ("size", "base", "most", "in_channels")
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
        name: name as listed by ``medsynth networks``.
        options: options of the network, e.g. ``stages=7`` for a cascade.

    Raises:
        MedSynthError: there is no such network, or an option or its value is not valid.
    """
    if name not in NETWORKS:
        raise MedSynthError(f"There is no network called '{name}'; choose one of {', '.join(NETWORKS)}.", kind="model")
    entry = NETWORKS[name]
    unknown = next((option for option in options if option not in entry.options), None)
    if unknown is not None:
        raise MedSynthError(
            f"The network '{name}' has no option '{unknown}'; choose from {', '.join(entry.options)}.",
            kind="model",
        )
    try:
        _check_buildable(entry, options)
        return entry.build(**options)
    except (ValueError, *UNBUILDABLE) as error:
        raise MedSynthError(f"The network '{name}' cannot be built with {options}: {error}.", kind="model") from error


def check_network(name: str, **options: Any) -> None:
    """Check that a network can be built and held in memory, without building it.

    Raises:
        MedSynthError: as `create_network`.
    """
    with torch.device("meta"):
        network = create_network(name, **options)
    try:
        _check_size(count_parameters(network))
    except ValueError as error:
        raise MedSynthError(f"The network '{name}' cannot be built with {options}: {error}.", kind="model") from error


def _check_buildable(entry: Entry, options: dict[str, Any]) -> None:
    """Check types and size of a network without taking memory for it.

    Raises:
        ValueError: it cannot be built; or one of `UNBUILDABLE`.
    """
    check_options(_defaults(entry), options)
    with torch.device("meta"):
        size = count_parameters(entry.build(**options))
    # Of a network without memory only the shapes are wanted.
    if torch.get_default_device().type != "meta":
        _check_size(size)


def _check_size(size: int) -> None:
    if size > LARGEST_NETWORK:
        raise ValueError(f"it would have {size:.0e} weights, more than memory holds; choose fewer channels")


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


@dataclass(frozen=True)
class Description:
    """Description of a network, as shown by ``medsynth networks``."""

    name: str
    title: str
    options: dict[str, Any]
    parameters: int
    gflop: float

    def to_dict(self) -> dict[str, Any]:
        """Return the description as plain data."""
        return asdict(self)


def describe(name: str, **options: Any) -> Description:
    """Describe a network: its options with their values, number of parameters, and GFLOP for one image.

    The image has 256² pixels or, for a 3-D network, 16 · 256² voxels, unless the network has a size of its own; the
    batch size is one. A multiply-add counts as
    two floating-point operations. They are counted without computing anything.

    Raises:
        MedSynthError: as `create_network`.
    """
    with torch.device("meta"):
        network = create_network(name, **options).eval()
        values = {**_defaults(NETWORKS[name]), **options}
        with FlopCounterMode(display=False) as counter:
            network(*_reference_inputs(network, values))
    return Description(
        name,
        NETWORKS[name].title,
        values,
        count_parameters(network),
        round(counter.get_total_flops() / 1e9, 4),
    )


def _reference_inputs(network: nn.Module, values: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    """Return the inputs with which operations are counted; networks of fixed size or several inputs bring their own."""
    own = getattr(network, "reference_inputs", None)
    if own is not None:
        return own()
    depth = (REFERENCE_DEPTH,) if getattr(network, "spatial_dims", 2) == 3 else ()
    return (torch.empty(1, values.get("in_channels", 1), *depth, REFERENCE_SIZE, REFERENCE_SIZE),)


def _defaults(entry: Entry) -> dict[str, Any]:
    parameters = inspect.signature(entry.build).parameters
    return {option: parameters[option].default for option in entry.options}
