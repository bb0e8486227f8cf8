"""Whether synthetic lesions are lesions: Table 4 of Qu's thesis, and the tumour crops of its Table 3 ("Ours⁺")."""

from __future__ import annotations

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.judges.examples import Examples
from medsynth_core.evaluation.judges.judge import Judge, JudgeSettings, Scores

REAL, SYNTHETIC = "real", "synthetic"


def lesion_effectiveness(judge: Judge, real: Examples, synthetic: Examples) -> dict[str, Scores]:
    """Return the scores of a judge that has learnt from real images, for real test images and for synthetic ones.

    The nearer the two are, the more synthetic lesions look like those of the labels they were drawn from. As in the
    thesis, the synthetic images must not be filtered by any quality. In the thesis the judge is the segmenter that the
    generator was trained against; this flatters the generator, so `check_independent` wants another one.

    Args:
        judge: has learnt from real training images only.
        real: test images.
        synthetic: synthetic images with the labels from which they were drawn.
    """
    return {REAL: judge.scores(real), SYNTHETIC: judge.scores(synthetic)}


def check_independent(settings: JudgeSettings, seed: int, width: int) -> None:
    """Check that a judge is another network than the lesion processor that the generator was trained against.

    Args:
        settings: of the judge.
        seed: seed of the generator's training.
        width: channels of the first level of its lesion processor.

    Raises:
        MedSynthError: seed or width are the same.
    """
    for name, own, other in (("seed", settings.seed, seed), ("width", settings.width, width)):
        if own == other:
            raise MedSynthError(
                f"The judge has the {name} {own}, as the lesion processor that the generator was trained against; "
                "choose another one, because a generator can learn to deceive its own processor.",
                kind="settings",
            )


def lesion_crops(examples: Examples, *, margin: float = 0.25, least: int = 16) -> list[np.ndarray]:
    """Return the surroundings of the lesions of examples, as images of their own for FID and MS-SSIM.

    Args:
        examples: images with label maps.
        margin: added on each side of the box around the lesions of an image, as a share of its longer side.
        least: smallest side of a crop in pixels.

    Returns:
        A square (channels, side, side) for each image with a lesion, in order; moved into the image where it would
        leave it, and no larger than the image's shorter side.

    Raises:
        MedSynthError: the labels are classes.
    """
    if examples.labels.ndim != 3:
        raise MedSynthError("Crops of lesions need label maps, and these are classes; give maps.")
    return [
        _crop(image, label != 0, margin, least)
        for image, label in zip(examples.images, examples.labels, strict=True)
        if label.any()
    ]


def _crop(image: np.ndarray, lesion: np.ndarray, margin: float, least: int) -> np.ndarray:
    found = np.argwhere(lesion)
    first, last = found.min(axis=0), found.max(axis=0) + 1
    wanted = max(int(np.ceil((1 + 2 * margin) * (last - first).max())), least)
    side = min(wanted, *lesion.shape)
    start = np.clip((first + last - side) // 2, 0, np.array(lesion.shape) - side)
    (row, column) = start
    return image[:, row : row + side, column : column + side]


def resized(crops: list[np.ndarray], side: int) -> np.ndarray:
    """Return crops (channels, s, s) as one array (n, channels, side, side), scaled linearly and smoothed first."""
    import torch
    from torch.nn.functional import interpolate

    if not crops:
        raise MedSynthError("There is no lesion in the images, so there are no crops; give images with lesions.")
    scaled = [
        interpolate(torch.from_numpy(crop[None].astype(np.float32)), (side, side), mode="bilinear", antialias=True)
        for crop in crops
    ]
    return torch.cat(scaled).numpy()
