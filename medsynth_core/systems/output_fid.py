"""FID of the images that a generator draws, for the choice of its best epoch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from medsynth_core.evaluation.features import fid, read_extractor
from medsynth_core.preparation.contract import Side
from medsynth_core.preparation.contract_images import channels_of

Images = Mapping[str, np.ndarray]


def output_fid(outputs: Mapping[str, Side], real: Images, drawn: Images) -> dict[str, float]:
    """Return ``fid``, by the extractor that comes with MedSynth, as the mean over outputs.

    Args:
        outputs: sides of the contract by role.
        real, drawn: images (n, h, w) by channel, as of `channels_of`; of at least one output there must be two.

    Returns:
        An empty dictionary if no output has two images in both sets.
    """
    extractor, found = read_extractor(), []
    for role, side in outputs.items():
        names = list(channels_of({role: side}))
        pair = [np.stack([some[name] for name in names], axis=-1) for some in (real, drawn)]
        if min(len(images) for images in pair) >= 2:
            grey = [images[..., 0] if len(names) == 1 else images for images in pair]
            found.append(fid(grey[0], grey[1], extractor).value)
    return {"fid": float(np.mean(found))} if found else {}
