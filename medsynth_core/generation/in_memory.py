"""Generated cases one by one, without files: for scripts and for 3D Slicer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from medsynth_core.generation.case import GeneratedCase
from medsynth_core.generation.case_maker import CaseMaker
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.memorisation import memorisation, pictures_of
from medsynth_core.generation.order import Order
from medsynth_core.progress import Progress


def generate_cases(generator: Generator, order: Order, progress: Progress) -> Iterator[GeneratedCase]:
    """Yield the cases of an order, the same ones that `medsynth_core.generate` writes into files.

    The log gets what was assumed of the given volume, how many structure maps were drawn again, and whether images from
    noise repeat training images.

    Args:
        generator: the model.
        order: what is generated; ``layout`` and ``format`` do not matter.
        progress: reports before each case.

    Raises:
        MedSynthError: an input of the order cannot be used, or no structure map can.
        Cancelled: the progress requested a stop.
    """
    maker, redrawn = CaseMaker(generator, order), 0
    if maker.note:
        progress.log(maker.note)
    pictures: dict[str, list[np.ndarray]] = {}
    for _number, case, draw in maker.drawn(range(order.count), progress):
        redrawn += len(draw.rejected)
        if order.source is None:
            images = {role: volume.voxels for role, volume in case.images.items()}
            for role, some in pictures_of(generator, images).items():
                pictures.setdefault(role, []).append(some)
        yield case
    if redrawn:
        progress.log(f"Structure maps drawn again, because they could not be used: {redrawn}.")
    for role, check in memorisation(generator, {role: np.concatenate(some) for role, some in pictures.items()}).items():
        progress.log(f"{role}: {check}")
