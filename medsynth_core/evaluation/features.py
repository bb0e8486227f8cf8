"""Features of images by a stated network, and the Fréchet distance between sets of images that uses them (FID).

The usual FID has the features of Inception, which was trained on photographs. MedSynth neither has nor downloads its
weights, so values here can be compared with each other, but not with published ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.digest import sha256
from medsynth_core.io.json_reading import parse_json
from medsynth_core.metrics.frechet import frechet_distance, too_few_images
from medsynth_core.models.weights import check_weights, loaded_network
from medsynth_core.resources import resource_folder

if TYPE_CHECKING:
    from torch import nn

NETWORK = "image-features"
BUNDLED = Path("FeatureExtractor", "model.safetensors")
# Entries in the header of a file of weights: the extractor's name, and the options of its network as JSON.
NAME, OPTIONS = "name", "options"
# Weights of red, green and blue in grey: luma of ITU-R BT.601.
_LUMA = (0.299, 0.587, 0.114)
# Images are computed in parts of so many, to bound memory.
_PART = 64


@dataclass(frozen=True)
class Extractor:
    """A network whose features are compared.

    Attributes:
        name: how it is called where a value is stated.
        sha256: of its file, in hexadecimal digits; values of extractors with other digits cannot be compared.
        path: file of its weights.
        options: options of its network, ``image-features``.
    """

    name: str
    sha256: str
    path: Path
    options: dict[str, Any]

    @cached_property
    def network(self) -> nn.Module:
        """The network with its weights, float32, in evaluation mode.

        Raises:
            MedSynthError: the weights do not fit the options, or are not finite.
        """
        from safetensors import SafetensorError

        try:
            network = loaded_network(NETWORK, self.options, self.path)
        except (RuntimeError, SafetensorError) as error:
            raise _unusable(self.path, f"its weights do not fit the network '{NETWORK}' with its options") from error
        check_weights(network.state_dict(), f"the feature extractor {self.path}", "give another file")
        return network

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the features (n, d) of images, as `prepared` takes them.

        Raises:
            MedSynthError: as `prepared` and `network`.
        """
        import torch

        found = []
        with torch.inference_mode():
            for start in range(0, len(images), _PART):
                part = torch.from_numpy(prepared(images[start : start + _PART]))
                found.append(self.network(part).numpy().astype(np.float64))
        return np.concatenate(found) if found else np.zeros((0, 0))


@dataclass(frozen=True)
class FID:
    """A Fréchet distance with what it depends on.

    Attributes:
        value: the distance; lower is better.
        extractor: name of the feature extractor.
        sha256: of the extractor's file.
        counts: images of both sets.
        doubt: what a distance of so few images means, as a sentence; "" if there are enough.
    """

    value: float
    extractor: str
    sha256: str
    counts: tuple[int, int]
    doubt: str

    def __str__(self) -> str:
        stated = f"FID {self.value:.2f} of {self.counts[0]} and {self.counts[1]} images by {self.extractor}"
        return f"{stated} (SHA-256 {self.sha256}). {self.doubt}".rstrip()


def fid(real: np.ndarray, synthetic: np.ndarray, extractor: Extractor | None = None) -> FID:
    """Return the Fréchet distance between the features of two sets of images.

    Images are standardised one by one (`prepared`), so that a change of all values of an image by one factor or
    offset is not seen. With several modalities, call it for each and average, as Qu's thesis does.

    Args:
        real, synthetic: at least two images each, as `prepared` takes them.
        extractor: whose features are compared; the one that comes with MedSynth if None.

    Raises:
        MedSynthError: there are fewer than two images, or images or extractor cannot be used.
    """
    chosen = extractor or read_extractor()
    if min(len(real), len(synthetic)) < 2:
        raise MedSynthError(
            f"The FID is of two sets of at least two images, but there are {len(real)} and {len(synthetic)}; give more."
        )
    features, others = chosen(real), chosen(synthetic)
    counts = (len(real), len(synthetic))
    doubt = too_few_images(counts, features.shape[1])
    return FID(frechet_distance(features, others), chosen.name, chosen.sha256, counts, doubt)


def read_extractor(path: Path | None = None) -> Extractor:
    """Return a feature extractor.

    Only weights are taken, and never code: a file in the format safetensors with those of the network
    ``image-features`` and, in its header, the texts ``name`` and ``options`` (the options of the network as JSON),
    as ``medsynth reproduce feature-extractor`` writes it. A TorchScript or pickle file is refused.

    Args:
        path: the file; None for the one that comes with MedSynth.

    Raises:
        MedSynthError: the file is missing or damaged, or is no such file.
    """
    from safetensors import SafetensorError, safe_open

    file = resource_folder() / BUNDLED if path is None else Path(path)
    try:
        digits = sha256(file)
        with safe_open(file, "pt") as opened:
            header = opened.metadata() or {}
        options = parse_json(header[OPTIONS])
        if not isinstance(options, dict):
            raise ValueError("the options are not an object")
        return Extractor(header[NAME], digits, file, options)
    except OSError as error:
        raise _unusable(file, reason_of(error)) from error
    except (SafetensorError, KeyError, ValueError) as error:
        raise _unusable(
            file, f"it is not a safetensors file with the header entries '{NAME}' and '{OPTIONS}'"
        ) from error


def _unusable(file: Path, reason: str) -> MedSynthError:
    return MedSynthError(
        f"The feature extractor {file} cannot be used: {reason}; give a file as medsynth reproduce feature-extractor "
        "writes it.",
        kind="model",
    )


def prepared(images: np.ndarray) -> np.ndarray:
    """Return images as the network takes them.

    Args:
        images: (n, rows, columns) with any values, or (n, rows, columns, 3) in colour, which become grey.

    Returns:
        (n, 1, 128, 128) float32: in the middle of a square of the image's lowest value, scaled (smoothed first where it
        is made smaller), and standardised to mean 0 and standard deviation 1. An image of one value is 0.

    Raises:
        MedSynthError: the images have another shape, or values that are not finite.
    """
    return standardised(scaled(_grey(np.asarray(images)))[:, None])


def scaled(images: np.ndarray) -> np.ndarray:
    """Return grey images (n, rows, columns) in the middle of squares of their lowest values, scaled to 128² pixels."""
    import torch
    from torch.nn.functional import interpolate

    from medsynth_core.networks.image_features import SIDE

    squares = torch.from_numpy(_squares(images.astype(np.float32)))
    return interpolate(squares[:, None], (SIDE, SIDE), mode="bilinear", antialias=True)[:, 0].numpy()


def standardised(images: np.ndarray) -> np.ndarray:
    """Return images (n, …) with mean 0 and standard deviation 1 each, float32; 0 where an image has one value only."""
    axes = tuple(range(1, images.ndim))
    wide = images.astype(np.float64)
    centred = wide - wide.mean(axis=axes, keepdims=True)
    spread = centred.std(axis=axes, keepdims=True)
    # Rounding leaves a little spread in an image of one value.
    flat = spread <= 1e-6 * np.abs(wide).max(axis=axes, keepdims=True, initial=0)
    return np.where(flat, 0, centred / np.where(flat, 1, spread)).astype(np.float32)


def _grey(images: np.ndarray) -> np.ndarray:
    colour = images.ndim == 4 and images.shape[-1] == 3
    if not colour and images.ndim != 3:
        raise MedSynthError(
            "Images are compared as (n, rows, columns) or (n, rows, columns, 3), not "
            f"{images.shape}; give one of these."
        )
    if not min(images.shape[1:3]):
        raise MedSynthError(
            f"Images of {images.shape[1]} × {images.shape[2]} pixels show nothing to compare; leave them out."
        )
    grey = (images @ np.array(_LUMA) if colour else images).astype(np.float32)
    if not np.isfinite(grey).all():
        raise MedSynthError("Some images have values that are not finite (NaN or infinite); leave them out.")
    return grey


def _squares(images: np.ndarray) -> np.ndarray:
    """Return images (n, rows, columns) in the middle of squares of their lowest values."""
    n, rows, columns = images.shape
    side = max(rows, columns)
    if min(images.shape[1:]) == side:
        return np.ascontiguousarray(images)
    squares = np.repeat(images.min(axis=(1, 2)), side * side).reshape(n, side, side)
    row, column = (side - rows) // 2, (side - columns) // 2
    squares[:, row : row + rows, column : column + columns] = images
    return squares
