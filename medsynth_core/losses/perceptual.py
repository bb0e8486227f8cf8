"""Perceptual loss (Johnson et al. 2016): images are compared by what VGG-16 sees in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from medsynth_core.errors import MedSynthError

# Output channels of the convolutions (3×3, each with a ReLU) between the poolings of VGG-16.
_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# Mean and standard deviation of red, green and blue in ImageNet, for values in 0…1.
_MEAN, _SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


def _numbers() -> dict[str, int]:
    """Return the number of each ReLU in torchvision's ``features``, by name."""
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

    Each channel, and in three dimensions each slice of it, is an image of its own: in grey, its value in all three
    colours, mapped from ``low``…``high`` to 0…1 and then by the mean and deviation of ImageNet. The result is the
    mean over them. The network is frozen; gradients reach the predicted image only.

    Args:
        weights: file with the entries ``features.N.weight`` and ``features.N.bias`` as torchvision names them:
            ``.safetensors``, or ``.pth`` (read without running code). Nothing is ever downloaded. ``random`` for
            weights that were never trained, always the same.
        layers: names from ``relu1_1`` to ``relu5_3``. Deeper ones need larger images: each of the blocks before
            halves it.
        low: value of the images that is black.
        high: value that is white.

    Raises:
        MedSynthError: a layer of another name, or a file that is missing, damaged or not of VGG-16.
    """

    mean: Tensor
    sd: Tensor

    def __init__(
        self, weights: str | Path, layers: Sequence[str] = LAYERS, *, low: float = -1.0, high: float = 1.0
    ) -> None:
        super().__init__()
        if not layers or not set(layers) <= set(NUMBERS):
            raise MedSynthError(
                f"The layers of VGG-16 to compare images by are '{', '.join(layers)}'; choose at least one of "
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
        """Compare images of the same shape, (n, c, h, w) or (n, c, d, h, w)."""
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
    """Give the network the weights of a file."""
    stored = _read(path)
    for name, parameter in features.named_parameters():
        entry = stored.get(f"features.{name}")
        if not isinstance(entry, Tensor):
            raise MedSynthError(
                f"{path} has no entry 'features.{name}', so it does not hold the weights of VGG-16 as torchvision "
                "names them; give such a file for the perceptual loss.",
                kind="model",
            )
        if entry.shape != parameter.shape or not entry.is_floating_point() or not entry.isfinite().all():
            raise MedSynthError(
                f"The entry 'features.{name}' of {path} (shape {tuple(entry.shape)}) is not the finite numbers of "
                f"shape {tuple(parameter.shape)} that VGG-16 has there; get the file again.",
                kind="model",
            )
        parameter.data.copy_(entry)


def _read(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    if not path.is_file():
        raise MedSynthError(
            f"The weights of VGG-16 for the perceptual loss are not at {path}; put a file there, or train without that "
            "loss.",
            kind="model",
        )
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's reader fails in any way on a damaged file: IndexError, KeyError, …
        raise MedSynthError(
            f"{path} cannot be read as weights of VGG-16 (.safetensors, or .pth that holds nothing but tensors); "
            "get the file again.",
            kind="model",
        ) from error
    return stored if isinstance(stored, dict) else {}
