"""Base class of the parts of recipes, contracts and model cards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

from annotated_types import Le, Lt
from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Part(BaseModel):
    """Settings whose numbers are numbers: unknown keys are rejected, and instances are immutable.

    pydantic alone would take yes for 1, a text for a whole number, and infinity for any number. A text for a number
    with decimals is accepted, because YAML reads ``1e-3`` as a text.

    Attributes:
        largest: largest magnitude of a number without a limit of its own; the squares of larger ones overflow in
            single precision after a few additions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    largest: ClassVar[float] = 1e9

    @field_validator("*", mode="before")
    @classmethod
    def _kinds_of_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        kinds = set(_kinds(cls.model_fields[str(info.field_name)].annotation))
        if not kinds & {int, float} or Any in kinds:
            return value
        for leaf in _leaves(value):
            if isinstance(leaf, bool) and bool not in kinds:
                raise ValueError("it must be a number, not yes or no")
            if isinstance(leaf, str) and not kinds & {str, float, Path}:
                raise ValueError(f"it must be a whole number without quotation marks, not the text '{leaf:.40}'")
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _bounded_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        if any(isinstance(limit, Le | Lt) for limit in cls.model_fields[str(info.field_name)].metadata):
            return value
        for leaf in _leaves(value):
            if isinstance(leaf, int | float) and abs(leaf) > cls.largest:
                raise ValueError(f"numbers must be between -{cls.largest:.0f} and {cls.largest:.0f}")
        return value


def _kinds(annotation: Any) -> Iterator[Any]:
    """Yield the types of the values that an annotation names, however deep inside it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        yield from map(type, inner)
    elif origin is Annotated:
        yield from _kinds(inner[0])
    elif origin is dict:
        yield from _kinds(inner[1])
    elif inner:
        for part in inner:
            yield from _kinds(part)
    else:
        yield annotation


def _leaves(value: Any) -> Iterator[Any]:
    """Yield the single values of nested lists and mappings."""
    if isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _leaves(part)
    else:
        yield value
