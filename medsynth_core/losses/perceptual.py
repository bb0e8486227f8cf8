"""Perceptual loss (Johnson et al. 2016): images are compared by their VGG-16 features.

Own implementation: MONAI's ``PerceptualLoss`` is LPIPS (Zhang et al. 2018), needs two more packages and downloads
weights when created; a training must state its weights and run without network access.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from medsynth_core.errors import MedSynthError

# Output channels of VGG-16's convolutions (3×3, each with a ReLU), one tuple per block between poolings.
_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# Mean and standard deviation of red, green and blue in ImageNet, for values in 0…1.
_MEAN, _SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


def _numbers() -> dict[str, int]:
    """Return the index of each ReLU in torchvision's ``features``, by name."""
    numbers, number = {}, 0
    for block, convolutions in enumerate(_BLOCKS, start=1):
        for index in range(1, len(convolutions) + 1):
            numbers[f"relu{block}_{index}"] = number + 1
            number += 2
        number += 1  # the pooling
    return numbers


NUMBERS = _numbers()


class Perceptual(nn.Module):
    """Sum over layers of the mean squared difference of VGG-16's activations, a scalar.

    Each channel, and in three dimensions each slice of it, is treated as a grey image with equal colour channels,
    mapped from ``low``…``high`` to 0…1 and normalised by ImageNet's mean and standard deviation. The result is the
    mean over these images. The network is frozen; gradients reach the predicted image only.

    Args:
        weights: file with the entries ``features.N.weight`` and ``features.N.bias`` of torchvision's VGG-16:
            ``.safetensors``, or ``.pth`` (read without running code). Nothing is ever downloaded. ``random`` for
            untrained weights from a fixed seed.
        layers: names from ``relu1_1`` to ``relu5_3``. Deeper layers need larger images, because each block halves
            the size.
        low: image value of black.
        high: image value of white.

    Raises:
        MedSynthError: a layer name is unknown, or the file is missing, damaged or not from VGG-16.
    """

    mean: Tensor
    sd: Tensor

    def __init__(
        self, weights: str | Path, layers: Sequence[str] = LAYERS, *, low: float = -1.0, high: float = 1.0
    ) -> None:
        super().__init__()
        if not layers or not set(layers) <= set(NUMBERS):
            raise MedSynthError(
                f"The layers '{', '.join(layers)}' for the perceptual loss are not valid; choose one or more of "
                f"{', '.join(NUMBERS)}."
            )
        self.taken = sorted({NUMBERS[name] for name in layers})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.features = _vgg16(self.taken[-1])
        if weights != "random":
            _fill(self.features, Path(weights))
        self.requires_grad_(False)
        self.register_buffer("mean", low + (high - low) * torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("sd", (high - low) * torch.tensor(_SD).view(3, 1, 1), persistent=False)

    def forward(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Return the loss of images of the same shape, (n, c, h, w) or (n, c, d, h, w)."""
        with torch.no_grad():
            wanted = self._activations(target)
        seen = self._activations(predicted)
        return torch.stack([(a - b).square().mean() for a, b in zip(seen, wanted, strict=True)]).sum()

    def _activations(self, images: Tensor) -> list[Tensor]:
        if images.ndim == 5:
            images = images.transpose(1, 2)
        pictures = images.reshape(-1, 1, *images.shape[-2:])
        activations, current = [], (pictures - self.mean) / self.sd
        for number, layer in enumerate(self.features):
            current = layer(current)
            if number in self.taken:
                activations.append(current)
        return activations


def _vgg16(last: int) -> nn.Sequential:
    """Return the convolutional part of VGG-16 up to layer ``last``."""
    layers: list[nn.Module] = []
    inputs = 3
    for block in _BLOCKS:
        for outputs in block:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers[: last + 1])


def _fill(features: nn.Sequential, path: Path) -> None:
    """Load the network's weights from a file."""
    stored = _read(path)
    for name, parameter in features.named_parameters():
        entry = stored.get(f"features.{name}")
        if not isinstance(entry, Tensor):
            raise MedSynthError(
                f"{path} has no entry 'features.{name}', so it does not contain torchvision's weights of VGG-16; give "
                "such a file for the perceptual loss.",
                kind="model",
            )
        if entry.shape != parameter.shape or not entry.is_floating_point() or not entry.isfinite().all():
            raise MedSynthError(
                f"The entry 'features.{name}' of {path} (shape {tuple(entry.shape)}) must contain finite numbers of "
                f"shape {tuple(parameter.shape)}; download the file again.",
                kind="model",
            )
        parameter.data.copy_(entry)


def _read(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    if not os.path.isfile(path):
        raise MedSynthError(
            f"The weights of VGG-16 for the perceptual loss are not at {path}; put the file there, or set "
            "loss.perceptual to 0.",
            kind="model",
        )
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # for a damaged file torch raises IndexError, KeyError and many others
        raise MedSynthError(
            f"{path} cannot be read as weights of VGG-16 (.safetensors, or .pth with tensors only); download the file "
            "again.",
            kind="model",
        ) from error
    return stored if isinstance(stored, dict) else {}
