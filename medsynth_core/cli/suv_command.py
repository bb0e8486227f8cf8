"""``medsynth suv``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth_core.cli.output import AsJson, print_json, say, written_image


def suv(
    dicom_dir: Annotated[Path, typer.Argument(help="DICOM folder of a PET series, or one of its files.")],
    output: Annotated[Path, typer.Argument(help="Image file to write: .nii.gz, .nrrd, .mha.")],
    to: Annotated[
        str, typer.Option(help="SUVbw, SUVlbm, SUVlbm-james, SUVlbm-janma, SUVibw (g/mL) or SUVbsa (cm²/mL).")
    ] = "SUVbw",
    as_json: AsJson = False,
) -> None:
    """Write a PET series in SUV, with a JSON file of the tags and values used for the conversion."""
    from medsynth_core.io.dicom.suv_file import write_suv
    from medsynth_core.io.suv.notes import describe_suv

    volume = write_suv(dicom_dir, output, to)
    if as_json:
        print_json(written_image(output, volume))
        return
    say(f"{output}: PET in {volume.unit}, {volume.voxels.min():.2f} to {volume.voxels.max():.2f}.")
    for line in describe_suv(volume.metadata["suv"]):
        say(f"  {line}")
