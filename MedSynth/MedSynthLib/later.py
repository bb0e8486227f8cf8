"""Attributes of a module that are imported when they are first needed."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def attributesLater(module: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for a module.

    Args:
        module: name of the module.
        places: module that has an attribute, by the attribute's name.
    """

    def find(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return getattr(importlib.import_module(places[name]), name)

    return find
