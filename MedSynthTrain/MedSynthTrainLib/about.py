"""The card of a model as a form: what only a person can say of it."""

from typing import Any

LINES = ("limits", "references")
FIELDS = ("title", "description", "intended_use", "limits", "authors", "licence", "data_licence", "references")


def textsOf(about: Any) -> dict[str, str]:
    """Return the text of each field of a ``medsynth_core.training.recipe.About``; lists have an entry a line."""
    return {field: "\n".join(getattr(about, field)) if field in LINES else getattr(about, field) for field in FIELDS}


def fromTexts(texts: dict[str, str]) -> dict[str, Any]:
    """Return what a request to the worker states for ``about`` from the texts of the form."""
    return {
        field: [line.strip() for line in text.splitlines() if line.strip()] if field in LINES else text.strip()
        for field, text in texts.items()
    }
