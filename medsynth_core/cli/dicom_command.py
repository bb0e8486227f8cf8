"""``medsynth dicom``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth_core.cli.output import AsJson, print_json, say


def dicom(
    volume: Annotated[Path, typer.Argument(help="Synthetic image written by MedSynth, with its JSON file beside it.")],
    output_dir: Annotated[Path, typer.Argument(help="New or empty folder for the series.")],
    reference: Annotated[Path, typer.Option(help="DICOM folder of the series that the image was made from.")],
    as_json: AsJson = False,
) -> None:
    """Write a synthetic image as a derived DICOM series in the study and frame of reference of REFERENCE."""
    from medsynth_core.io.dicom.derived.series_writing import write_dicom
    from medsynth_core.io.dicom.synthetic_mark import missing_mark
    from medsynth_core.io.reading import read_volume
    from medsynth_core.preparation.unit_limits import unit_doubts

    synthetic = read_volume(volume)
    written = write_dicom(synthetic, output_dir, reference)
    if as_json:
        facts = {"modality": synthetic.modality, "unit": synthetic.unit, "slices": synthetic.shape[0]}
        print_json({"output": str(written), **facts})
        return
    content = "errors of a synthetic" if synthetic.is_error_map else "synthetic"
    say(f"{written}: {synthetic.shape[0]} slices of {content} {synthetic.modality}. Not for diagnosis.")
    doubts = unit_doubts(synthetic.voxels, synthetic.modality, synthetic.unit, "image")
    for warning in (*missing_mark(synthetic, str(volume)), *doubts):
        say(f"  {warning}")
