"""What every network makes of fixed weights and a fixed image, for `test_golden_networks`.

Record again, after a change that is meant to change a network:
``PYTHONPATH=.:Testing/core python Testing/core/networks/golden_networks.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from fixed_weights import fill, numbers
from torch import Tensor, nn

from medsynth_core.networks.registry import create_network

RECORD = Path(__file__).with_name("golden_networks.json")
STAGE = {"channels": [3, 4, 5, 6, 4, 6], "in_channels": 2, "out_channels": 3}
SHALLOW = {"channels": [3, 4, 5, 4], "in_channels": 2, "out_channels": 3}
# Networks of codes and of images of a stated size.
VAE = {"size": 64, "latent": 16, "width": 4}
# By name: network, options, size of the image without batch and channels, or () for a code.
CASES: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "unet256": ("unet256", STAGE, (64, 64)),
    "unet256, tanh before": ("unet256", {**SHALLOW, "visual_activation": "pre"}, (16, 32)),
    "unet256, resize": ("unet256", {**SHALLOW, "upsample": "resize", "visual_activation": "linear"}, (16, 32)),
    "cascade-wide": ("cascade-wide", {**SHALLOW, "stages": 3}, (32, 16)),
    "cascade-compact": ("cascade-compact", {**SHALLOW, "stages": 2, "stem": 3}, (16, 32)),
    "cascade-compact, sees its input": (
        "cascade-compact",
        {**SHALLOW, "stages": 2, "see_input": True, "out_channels": 1, "dropout": 0.0},
        (16, 16),
    ),
    "cas-unet": ("cas-unet", SHALLOW, (32, 16)),
    "dsggan": ("dsggan", STAGE, (64, 64)),
    "unet-ctmr": ("unet-ctmr", {"channels": [3, 4, 5], "in_channels": 2, "out_channels": 3}, (12, 16)),
    "unet-ctmr, normalised": ("unet-ctmr", {"channels": [3, 4, 5], "batch_norm": True}, (12, 16)),
    "resnet9": ("resnet9", {"channels": 3, "blocks": 2, "in_channels": 2, "out_channels": 1}, (16, 20)),
    "resnet3d": ("resnet3d", {"channels": 2, "blocks": 2}, (5, 9, 14)),
    "resnet3d, multiples of 4": ("resnet3d", {"channels": 2, "blocks": 1}, (8, 8, 12)),
    "patchgan2d": ("patchgan2d", {"in_channels": 2, "channels": 3, "layers": 2}, (32, 36)),
    "patchgan3d": ("patchgan3d", {"channels": 2}, (16, 24, 20)),
    "mlnet3d": ("mlnet3d", {"channels": 2, "classes": 4}, (7, 18, 21)),
    "mlnet3d, residual": ("mlnet3d", {"channels": 2, "classes": 3, "residual": True, "in_channels": 2}, (8, 16, 32)),
    "contextual3d": ("contextual3d", {"channels": 3}, (5, 8, 9)),
    "contextual3d, residual": ("contextual3d", {"channels": 3, "residual": True}, (5, 8, 9)),
    "cg3dsrgan": ("cg3dsrgan", {"channels": 2, "context_channels": 3, "classes": 3}, (8, 17, 12)),
    "cg3dsrgan, residual": (
        "cg3dsrgan",
        {"channels": 2, "context_channels": 3, "classes": 3, "residual": True, "in_channels": 2},
        (8, 16, 16),
    ),
    "unet3d": ("unet3d", {"channels": 2}, (9, 16, 19)),
    "unet3d, residual": ("unet3d", {"channels": 2, "residual": True, "in_channels": 2}, (16, 16, 32)),
    "structure-encoder": ("structure-encoder", {**VAE, "dropout": 0.0}, (64, 64)),
    "structure-decoder": ("structure-decoder", VAE, ()),
    "structure-generator": ("structure-generator", {**VAE, "mask_channels": 2, "mask_dropout": 0.0}, ()),
    "structure-mask": ("structure-mask", {"channels": 3, "dropout": 0.0}, (16, 24)),
    "structure-discriminator": ("structure-discriminator", {"channels": 3}, (32, 48)),
    "latent-discriminator": ("latent-discriminator", {"latent": 64, "channels": 3}, ()),
    "multimodal-generator": ("multimodal-generator", {"channels": 3, "modalities": 3, "in_channels": 2}, (16, 24)),
    "multimodal-from-noise": (
        "multimodal-from-noise",
        {**VAE, "mask_channels": 2, "mask_dropout": 0.0, "channels": 3, "modalities": 3},
        (16, 24),
    ),
    "multimodal-from-noise, colours": (
        "multimodal-from-noise",
        {**VAE, "mask_channels": 2, "mask_dropout": 0.0, "channels": 3, "modalities": 0, "out_channels": 3},
        (16, 24),
    ),
    "multimodal-generator, normalised by modality": (
        "multimodal-generator",
        {"channels": 3, "modalities": 2, "output_norm": False, "modality_scales": True},
        (16, 16),
    ),
    "multimodal-discriminator": ("multimodal-discriminator", {"channels": 3, "in_channels": 2}, (48, 32)),
    "modality-translator": ("modality-translator", {"channels": 2, "modalities": 2}, (8, 24)),
    "lesion-segmenter": ("lesion-segmenter", {"channels": 2, "out_channels": 3}, (24, 16)),
    "lesion-classifier": ("lesion-classifier", {"channels": 2, "dropout": 0.0}, (40, 64)),
    "lesion-detector": ("lesion-detector", {"channels": 2, "classes": 2, "size": 64}, (64, 64)),
    "image-features": ("image-features", {"channels": [2, 3, 4, 5], "in_channels": 2}, (64, 48)),
    "unet-gan": ("unet-gan", {"channels": 2}, (16, 16)),
    "skrgan": ("skrgan", {"channels": 2, "out_channels": 3}, (16, 16)),
    "dcgan": ("dcgan", {"size": 32, "latent": 5, "channels": 2}, ()),
    "acgan": ("acgan", {"size": 16, "latent": 5, "channels": 2, "classes": 2, "out_channels": 1}, ()),
    "wgan": ("wgan", {"size": 16, "latent": 5, "channels": 3}, ()),
    "dcgan-discriminator": ("dcgan-discriminator", {"size": 32, "channels": 2}, (32, 32)),
    "acgan-discriminator": ("acgan-discriminator", {"size": 32, "channels": 2, "classes": 2}, (32, 32)),
    "dcgan-discriminator, instance": (
        "dcgan-discriminator",
        {"size": 32, "channels": 2, "in_channels": 1, "normalisation": "instance"},
        (32, 32),
    ),
    "dcgan-discriminator, none": (
        "dcgan-discriminator",
        {"size": 16, "channels": 2, "normalisation": "none"},
        (16, 16),
    ),
    "pggan": ("pggan", {"size": 32, "latent": 6, "base": 16, "most": 5}, ()),
    "pggan, every level of another width": ("pggan", {"size": 32, "latent": 6, "base": 24, "most": 24}, ()),
    "pggan-discriminator": ("pggan-discriminator", {"size": 32, "base": 16, "most": 5}, (32, 32)),
    "pggan-discriminator, every level of another width": (
        "pggan-discriminator",
        {"size": 32, "base": 24, "most": 24},
        (32, 32),
    ),
    "residual-unet": ("residual-unet", {"channels": [3, 4, 5], "in_channels": 2, "out_channels": 1}, (16, 12)),
}
STATED = (
    "in_channels",
    "out_channels",
    "multiple_of",
    "spatial_dims",
    "halo",
    "classes",
    "output_range",
    "chosen",
    "size",
    "latent",
)
# Values recorded of each image.
SAMPLES = 6


def inputs_for(case: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Return the filled network of a case and its inputs: two images or codes and, if it takes them, their numbers.

    A part of each image is empty, as beside a patient.
    """
    name, options, size = CASES[case]
    network: Any = fill(create_network(name, **options), case)
    if not size:
        inputs = numbers((2, network.latent), f"{case}/code")
    else:
        inputs = numbers((2, int(network.in_channels), *size), f"{case}/image")
        inputs[..., : size[-1] // 3] = -0.5
    several = getattr(network, "chosen", 0)
    return network, (inputs, torch.tensor([0, several - 1])) if several else (inputs,)


def made(case: str) -> dict[str, Any]:
    """Return what the network of a case states, makes, and passes back to its weights."""
    network, inputs = inputs_for(case)
    record: dict[str, Any] = {name: getattr(network, name) for name in STATED if hasattr(network, name)}
    if "output_range" in record:
        record["output_range"] = list(record["output_range"])
    if hasattr(network, "memory_per_voxel"):
        record["memory_per_voxel"] = network.memory_per_voxel()  # type: ignore[operator]
    if hasattr(network, "reference_inputs"):
        record["reference_inputs"] = [list(given.shape) for given in network.reference_inputs()]
    record["training"] = [_summary(each) for each in outputs_of(network.train(), inputs)]
    network = fill(network, case).eval()
    inputs[0].requires_grad_()
    outputs = outputs_of(network, inputs)
    record["images"] = [_summary(each) for each in outputs]
    torch.stack([_projected(each, case) for each in outputs]).sum().backward()
    assert inputs[0].grad is not None
    record["gradient"] = _summary(inputs[0].grad)
    record["weights"] = {
        name: _norm(value.grad) for name, value in network.named_parameters() if value.grad is not None
    }
    return record


def outputs_of(network: Any, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """Return everything that a network computes: its images, those of its stages, and the logits of its head."""
    first = network(*inputs)
    found = list(first) if isinstance(first, tuple) else [first]
    if hasattr(network, "images"):
        found += network.images(*inputs)
    if hasattr(network, "with_class"):
        found += network.with_class(*inputs)
    return found


def _projected(output: Tensor, case: str) -> Tensor:
    return (output * numbers(tuple(output.shape), f"{case}/{tuple(output.shape)}")).sum()


def _summary(values: Tensor) -> list[Any]:
    """Return shape, mean, spread and some values of a tensor."""
    flat = values.detach().double().flatten()
    some = flat[torch.linspace(0, len(flat) - 1, SAMPLES).long()]
    return [list(values.shape), *_rounded([flat.mean(), flat.std(), *some])]


def _norm(values: Tensor) -> float:
    return _rounded([values.double().norm()])[0]


def _rounded(values: list[Any]) -> list[float]:
    return [float(f"{float(value):.5g}") for value in values]


if __name__ == "__main__":
    text = ",\n".join(f" {json.dumps(case)}: {json.dumps(made(case))}" for case in CASES)
    RECORD.write_text(f"{{\n{text}\n}}\n", encoding="utf-8")
