"""What goes into the folder of ``medsynth synthesize --report``."""

from __future__ import annotations

import json
from pathlib import Path

from medsynth_core.evaluation.figure import write_preview
from medsynth_core.io.atomic import atomic_write
from medsynth_core.volume import Volume


def write_report(source: Volume, synthetic: Volume, folder: Path) -> None:
    """Write ``provenance.json`` and ``figure.png`` of a synthetic volume into ``folder``.

    Raises:
        MedSynthError: a file cannot be written, or matplotlib is not installed.
    """
    with atomic_write(folder / "provenance.json") as temporary:
        temporary.write_text(json.dumps(synthetic.metadata, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    write_preview(source, synthetic, folder / "figure.png")
