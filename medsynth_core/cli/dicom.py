"""``medsynth dicom``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth_core.cli.output import AsJson, print_json


def dicom(
    volume: Annotated[Path, typer.Argument(help="Synthetic image that MedSynth wrote, with its JSON beside it.")],
    output_dir: Annotated[Path, typer.Argument(help="Folder for the series: a new or an empty one.")],
    reference: Annotated[Path, typer.Option(help="DICOM folder of the series that it was made from.")],
    as_json: AsJson = False,
) -> None:
    """Write a synthetic image as a derived DICOM series in the study and space of REFERENCE."""
    from medsynth_core.io.dicom.derived import write_dicom
    from medsynth_core.io.reading import read_volume

    synthetic = read_volume(volume)
    written = write_dicom(synthetic, output_dir, reference)
    if as_json:
        told = {"modality": synthetic.modality, "unit": synthetic.unit, "slices": synthetic.shape[0]}
        print_json({"output": str(written), **told})
        return
    print(f"{written}: {synthetic.shape[0]} slices of synthetic {synthetic.modality}. Not for diagnosis.")
    if not synthetic.metadata.get("synthetic"):
        print(f"  Mind: {volume} does not say that it is synthetic, but the series does.")
