"""Types of the facts about an image that MedSynth acts on, wherever it receives them: beside a file or in a request.

A fact of another type would fail far from its cause, or be overlooked: an image whose ``synthetic`` is a word must not
pass for a measured one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medsynth_core.errors import MedSynthError

# A result of a result of a result …: more than anybody makes.
_DEEPEST_SOURCE = 20


def check_facts(facts: dict[str, Any], where: str) -> None:
    """Check the types of what is stated about an image, and about the images that it was made from.

    Args:
        facts: modality, unit and metadata.
        where: what states it, to begin the sentence with.

    Raises:
        MedSynthError: a fact has another type or value than MedSynth writes.
    """
    part: Any = facts
    for depth in range(_DEEPEST_SOURCE):
        _check(part, where, "source." * depth)
        part = part.get("source")
        if part is None or isinstance(part, str):
            return
    raise MedSynthError(f"{where} lists more than {_DEEPEST_SOURCE} images of which each was made from the next.")


def doubts_of(facts: Mapping[str, Any]) -> list[str]:
    """Return the doubts that arose when an image was read: about its slices, and about its SUV."""
    return [*facts.get("warnings", []), *facts.get("suv", {}).get("warnings", [])]


def _check(facts: Any, where: str, before: str) -> None:
    from pydantic import ValidationError  # Slicer's panels open before it is installed

    from medsynth_core.io.fact_types import ImageFacts

    try:
        ImageFacts.model_validate(facts)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = before + ".".join(str(part) for part in first["loc"])
        raise MedSynthError(
            f"{where} is damaged: its '{name.rstrip('.')}' is not what MedSynth writes ({first['msg']}); correct it."
        ) from error
