"""A table of results, written into the card of the model that it is about."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from medsynth_core.experiments.table import Table
from medsynth_core.models.card import METADATA, read_metadata
from medsynth_core.models.markdown import card_text
from medsynth_core.models.package import Model


def record(model: Model, table: Table, output: Path) -> Path:
    """Copy the package of ``model`` into ``output``, with ``table`` in its card and beside it, and return the copy."""
    package = output / model.name
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(model.path, package)
    content = json.loads((package / METADATA).read_text(encoding="utf-8"))
    content["medsynth"]["comparison"] = table.card_rows()
    (package / METADATA).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (package / "docs" / "README.md").write_text(card_text(read_metadata(package)), encoding="utf-8")
    for file in (table.path, table.cases_path):
        shutil.copyfile(file, package / "docs" / file.name)
    return package
