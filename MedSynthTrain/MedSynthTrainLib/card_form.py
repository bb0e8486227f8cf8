"""The text of a model card as a form: what the training cannot fill in by itself."""

from pathlib import Path
from typing import Any

LINES = ("limits", "references")
FIELDS = ("title", "description", "intended_use", "limits", "authors", "licence", "data_licence", "references")


def textsOf(about: Any) -> dict[str, str]:
    """Return the text of each field of a ``medsynth_core.recipes.recipe.About``; lists have one entry per line."""
    return {field: "\n".join(getattr(about, field)) if field in LINES else getattr(about, field) for field in FIELDS}


def textsOfPackage(package: Path) -> dict[str, str]:
    """Return the text of each field of a package's card.

    Raises:
        MedSynthError: the card is not valid.
    """
    from medsynth_core.models.card import read_metadata

    metadata = read_metadata(package)
    card = metadata.medsynth
    return {
        "title": card.title,
        "description": metadata.description,
        "intended_use": metadata.intended_use,
        "limits": "\n".join(card.limits),
        "authors": metadata.authors,
        "licence": card.licence,
        "data_licence": card.data_licence,
        "references": "\n".join(metadata.references),
    }


def fromTexts(texts: dict[str, str]) -> dict[str, Any]:
    """Return the ``about`` of a request to the worker from the texts of the form."""
    return {
        field: [line.strip() for line in text.splitlines() if line.strip()] if field in LINES else text.strip()
        for field, text in texts.items()
    }
