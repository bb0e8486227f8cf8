"""Generated cases one by one, without files: for scripts and for 3D Slicer."""

from __future__ import annotations

from collections.abc import Iterator

from medsynth_core.generation.case import GeneratedCase
from medsynth_core.generation.case_maker import CaseMaker
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.memorisation import Seen
from medsynth_core.generation.order import Order
from medsynth_core.progress import Progress


def generate_cases(generator: Generator, order: Order, progress: Progress) -> Iterator[GeneratedCase]:
    """Yield the cases of an order, the same ones that `medsynth_core.generate` writes into files.

    The log gets what was assumed of the given volume, how many structure maps were drawn again, and whether images from
    noise repeat training images.

    Args:
        generator: the model.
        order: what is generated. The layout does not matter; a model that draws in colour needs the format png, and
            its images are three volumes each (`GeneratedCase`).
        progress: reports before each case.

    Raises:
        MedSynthError: an option of the order does not fit the model, an input of it cannot be used, or no structure
            map can.
        Cancelled: the progress requested a stop.
    """
    maker, seen = CaseMaker(generator, order), Seen(generator, order.source is None)
    if maker.note:
        progress.log(maker.note)
    for number in range(order.count):
        progress(number / order.count, order.said(number))
        case = maker.make(number)
        seen.add(case, f"case {number + 1}")
        yield case
    if seen.redrawn:
        progress.log(f"Structure maps drawn again, because they could not be used: {seen.redrawn.total()}.")
    for role, check in seen.memorisation().items():
        progress.log(f"{role}: {check}")
