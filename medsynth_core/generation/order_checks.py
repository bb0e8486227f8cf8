"""Whether a model can make what is ordered."""

from __future__ import annotations

from medsynth_core.errors import MedSynthError
from medsynth_core.generation.available import list_generators
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.order import Order
from medsynth_core.generation.without_maps import takes_codes
from medsynth_core.systems.multimodal_maps import FROM_NOISE


def check_order(generator: Generator, order: Order) -> None:
    """Check that the options of an order fit a model.

    Raises:
        MedSynthError: they ask for volumes of images in colour, a class or a lesion that the model does not draw, or a
            structure map that it does not have or does not need.
    """
    if generator.draws_colours and order.format != "png":
        raise _refusal(generator, "draws images in colour, and volumes have no colours; choose the format png")
    _check_class(generator, order)
    if not generator.draws_lesions and (order.lesion is not None or order.lesions is not None):
        raise _refusal(generator, "draws no lesions; leave the lesion out")
    if generator.needs_map:
        _check_map(generator, order)
    else:
        _check_noise(generator, order)


def _check_class(generator: Generator, order: Order) -> None:
    """Check that the model draws the class of an order.

    Raises:
        MedSynthError: it does not.
    """
    if order.class_name is None or order.class_name in generator.classes:
        return
    if not generator.classes:
        raise _refusal(generator, "has no classes; leave the class out")
    raise _refusal(
        generator, f"draws no class '{order.class_name}'; choose one of {', '.join(generator.classes)}, or none for all"
    )


def _check_map(generator: Generator, order: Order) -> None:
    """Check that there is a structure map to draw from.

    Raises:
        MedSynthError: there is no image to take it from, and the model does not draw it.
    """
    if order.source is not None or generator.draws_maps:
        return
    others = [found.name for found in list_generators() if found.from_noise]
    able = f"one of {', '.join(others)}" if others else f"a model with the network {FROM_NOISE}"
    raise _refusal(
        generator,
        f"cannot draw structure maps from noise; give an image to take the structure map from, or choose {able}",
    )


def _check_noise(generator: Generator, order: Order) -> None:
    """Check an order for a model that draws from noise alone.

    Raises:
        MedSynthError: it has an image, or slices that cannot change gradually.
    """
    if order.source is not None:
        raise _refusal(generator, "draws from noise alone, without a structure map; leave the image out")
    if order.slices > 1 and not takes_codes(generator):
        raise _refusal(generator, "draws single slices; leave slices out")


def _refusal(generator: Generator, reason: str) -> MedSynthError:
    return MedSynthError(f"The model '{generator.model.name}' {reason}.", kind="model")
