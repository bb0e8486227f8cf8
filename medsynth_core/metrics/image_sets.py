"""Measures of sets of two-dimensional images: likeness, diversity, and whether they repeat the training images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Weights of the scales, the finest first (Wang et al. 2003).
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
KERNEL = 11
# Side of the pictures in which a package keeps its training images.
SMALL = 16
# Images are compared in parts of so many, to bound memory.
_PART = 64


def scales_of(shape: tuple[int, ...]) -> int:
    """Return how many of the five scales of MS-SSIM images of a shape have.

    Five need sides of 176 pixels, four 99, three 44 and two 22: the coarsest scale must hold the kernel, and MONAI
    wants more for four.
    """
    side = min(shape)
    smallest = [KERNEL * max(2**scale, scale**2) for scale in range(len(WEIGHTS))]
    return max(sum(side >= least for least in smallest), 1)


def ms_ssim_paired(real: np.ndarray, synthetic: np.ndarray, data_range: float) -> float:
    """Return the mean MS-SSIM of each synthetic image with the real image of the same number; higher is better.

    Qu's thesis reports this value without saying which images are compared. Here they are those of one structure map:
    the real image, and the synthetic image that was drawn from its map.

    Args:
        real, synthetic: (n, rows, columns), or (n, rows, columns, channels).
        data_range: difference of the highest and the lowest possible value.

    Raises:
        ValueError: the shapes differ, or a side has fewer than 11 pixels.
    """
    if real.shape != synthetic.shape:
        raise ValueError(f"the images have the shapes {real.shape} and {synthetic.shape}")
    return float(np.mean(_ms_ssim(real, synthetic, data_range)))


def ms_ssim_diversity(images: np.ndarray, data_range: float, *, pairs: int = 1000, seed: int = 0) -> float:
    """Return the mean MS-SSIM of pairs of images of one set; lower is more diverse, as in work on GANs.

    Compare it with that of the real images: a set of noise is more diverse than any.

    Args:
        images: (n, rows, columns), or (n, rows, columns, channels); at least two.
        data_range: difference of the highest and the lowest possible value.
        pairs: number of different pairs that are drawn; all of them if there are no more.
        seed: of the draw.

    Raises:
        ValueError: there is one image only, or a side has fewer than 11 pixels.
    """
    if len(images) < 2:
        raise ValueError("diversity needs two images at least")
    first, second = np.triu_indices(len(images), k=1)
    if len(first) > pairs:
        chosen = np.sort(np.random.default_rng(seed).choice(len(first), pairs, replace=False))
        first, second = first[chosen], second[chosen]
    return float(np.mean(_ms_ssim(images[first], images[second], data_range)))


def _ms_ssim(images: np.ndarray, others: np.ndarray, data_range: float) -> np.ndarray:
    """Return the MS-SSIM of each image with the other of its number, with as many scales as they have."""
    import torch
    from monai.metrics.regression import MultiScaleSSIMMetric

    if min(images.shape[1:3]) < KERNEL:
        raise ValueError(f"MS-SSIM needs images of at least {KERNEL} × {KERNEL} pixels, not {images.shape[1:3]}")
    weights = np.array(WEIGHTS[: scales_of(images.shape[1:3])])
    metric = MultiScaleSSIMMetric(2, data_range, weights=tuple(weights / weights.sum()), kernel_size=KERNEL)

    def tensor(part: np.ndarray) -> torch.Tensor:
        channels = part[..., None] if part.ndim == 3 else part
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(channels, -1, 1), dtype=np.float32))

    found = []
    for start in range(0, len(images), _PART):
        part = slice(start, start + _PART)
        found.append(np.asarray(metric(tensor(images[part]), tensor(others[part]))).ravel())
    return np.concatenate(found)


def small_pictures(images: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return images as means of fields, which show where bright and dark is but no detail of a person.

    Args:
        images: (n, rows, columns), of at least 16 rows and columns.
        low, high: values that become 0 and 255.

    Returns:
        (n, 16, 16), uint8. Rows and columns beyond a multiple of 16 are cut off, half on each side.
    """
    rows, columns = (side // SMALL for side in images.shape[1:])
    top, left = ((side % SMALL) // 2 for side in images.shape[1:])
    inside = images[:, top : top + rows * SMALL, left : left + columns * SMALL]
    means = inside.reshape(len(images), SMALL, rows, SMALL, columns).mean(axis=(2, 4), dtype=np.float64)
    return np.clip((means - low) / max(high - low, 1e-12) * 255 + 0.5, 0, 255).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Nearest:
    """The training images that generated ones are nearest to.

    Attributes:
        index: (n) number of the nearest training image of each generated image.
        distance: (n) root mean square difference from it.
        among_training: (m) the same distance of each training image from its nearest other one, of another patient.
    """

    index: np.ndarray
    distance: np.ndarray
    among_training: np.ndarray

    @property
    def repeated(self) -> np.ndarray:
        """Numbers of the generated images that are nearer to a training image than any two of these are."""
        return np.flatnonzero(self.distance < self.among_training.min())


def nearest_training_images(generated: np.ndarray, training: np.ndarray, patients: Sequence[str] = ()) -> Nearest:
    """Return which training image each generated image is nearest to: whether a generator repeats what it saw.

    Args:
        generated: (n, …) images.
        training: (m, …) training images of the same shape, at least two.
        patients: (m) names; training images are then compared with those of other patients only, because slices beside
            each other are alike. Empty if each image is of another patient.

    Raises:
        ValueError: the shapes differ, or there is one training image or one patient only.
    """
    if generated.shape[1:] != training.shape[1:] or len(training) < 2:
        raise ValueError(f"the images have the shapes {generated.shape} and {training.shape}")
    names = np.array(patients) if len(patients) else np.arange(len(training))
    if names.shape != (len(training),) or len(np.unique(names)) < 2:
        raise ValueError(f"{len(training)} training images need as many names of patients, of at least two patients")
    between, among = _distances(generated, training), _distances(training, training)
    among[names[:, None] == names] = np.inf
    index = between.argmin(axis=1)
    return Nearest(index, between[np.arange(len(index)), index], among.min(axis=1))


def _distances(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the root mean square difference of each image from each other one."""
    a, b = (np.reshape(some, (len(some), -1)).astype(np.float64) for some in (images, others))
    middle = b.mean(axis=0)
    a, b = a - middle, b - middle  # squares of smaller numbers lose fewer digits
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0.0) / a.shape[1])
