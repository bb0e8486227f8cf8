"""Writing a table of results into the card of a model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from medsynth_core.experiments.scoring.result_table import Table
from medsynth_core.io.json_file import write_json
from medsynth_core.models.card import METADATA, read_metadata
from medsynth_core.models.contents import check_replaceable
from medsynth_core.models.markdown import card_text
from medsynth_core.models.package import Model


def record(model: Model, table: Table, output: Path) -> Path:
    """Copy the package of ``model`` to ``output`` with ``table`` in card and files, and return the copy's folder.

    Raises:
        MedSynthError: something other than an earlier copy has the name of that folder.
    """
    package = output / model.name
    check_replaceable(package)
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(model.path, package)
    content = json.loads((package / METADATA).read_text(encoding="utf-8"))
    content["medsynth"]["comparison"] = table.card_rows()
    write_json(package / METADATA, content)
    (package / "docs" / "README.md").write_text(card_text(read_metadata(package)), encoding="utf-8")
    for file in (table.path, table.cases_path):
        shutil.copyfile(file, package / "docs" / file.name)
    return package
