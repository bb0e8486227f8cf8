"""Conventional augmentation: real images that are rotated, scaled, mirrored and bent.

The thesis compares synthetic with "enhanced" images and does not say how these were made; the ranges are those that are
usual for lesions in medical images.
"""

from __future__ import annotations

import numpy as np

from medsynth_core.evaluation.judges.examples import Examples

# Degrees to either side; share by which images shrink or grow; probability of mirroring left and right.
ROTATION, SCALE, MIRROR = 15.0, 0.1, 0.5
# Bending: distance of the control points as a share of the image's longer side, and their largest shift as a share of
# that distance.
DISTANCE, BEND = 1 / 6, 0.15


def augmented(examples: Examples, count: int, seed: int) -> Examples:
    """Return so many changed images, made in turn from all examples.

    The affine and elastic changes are MONAI's; images are interpolated linearly, labels and field of view take the
    nearest value, and beyond the border the outermost pixels are repeated.

    Args:
        examples: real examples; labels that are classes stay as they are.
        count: number of images.
        seed: of the changes, which depend on it and on the number of the image.
    """
    if not count:
        return examples.of(np.arange(0))
    sources = np.arange(count) % len(examples)
    chosen = examples.of(sources)
    if examples.labels.ndim == 1:
        maps = np.zeros((count, 0, *chosen.images.shape[2:]), chosen.labels.dtype)
    else:
        maps = chosen.labels[:, None]
    if chosen.field is not None:
        maps = np.concatenate([maps, chosen.field[:, None].astype(maps.dtype)], axis=1)
    made = [_changed(chosen.images[n], maps[n], seed, n) for n in range(count)]
    images, changed = (np.stack([one[part] for one in made]) for part in (0, 1))
    labels = chosen.labels if examples.labels.ndim == 1 else changed[:, 0]
    field = None if chosen.field is None else changed[:, -1] != 0
    return Examples(images, labels.astype(chosen.labels.dtype), chosen.patients, field)


def _changed(image: np.ndarray, maps: np.ndarray, seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image (channels, rows, columns) and its maps of whole numbers, changed alike."""
    import torch
    from monai.transforms import Rand2DElastic, RandFlip

    distance = DISTANCE * max(image.shape[1:])
    elastic = Rand2DElastic(
        spacing=distance,
        magnitude_range=(0.0, BEND * distance),
        prob=1.0,
        rotate_range=np.radians(ROTATION),
        scale_range=SCALE,
        padding_mode="border",
    )
    flip = RandFlip(prob=MIRROR, spatial_axis=1)
    both = []
    for values, mode in ((image, "bilinear"), (maps, "nearest")):
        if not len(values):
            both.append(values)
            continue
        # The same state for both, so that both change alike.
        state = np.random.RandomState(np.random.default_rng((seed, number)).integers(2**31))
        elastic.set_random_state(state=state)
        flip.set_random_state(state=state)
        moved = flip(elastic(torch.from_numpy(values.astype(np.float32)), mode=mode))
        both.append(np.asarray(moved))
    return both[0].astype(image.dtype), np.rint(both[1]).astype(maps.dtype)
