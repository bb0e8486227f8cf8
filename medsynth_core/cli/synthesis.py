"""``medsynth synthesize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth_core.cli.output import AsJson, check_distinct, print_json, progress_bar


def synthesize(
    input: Annotated[Path, typer.Argument(help="Image file or DICOM folder.")],
    output: Annotated[Path, typer.Argument(help="Image file to write: .nii.gz, .nrrd, .mha.")],
    model: Annotated[str, typer.Option(help="Name in the library, or folder of a package.")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    batch_size: Annotated[int | None, typer.Option(help="Slices at once; chosen by the device by default.")] = None,
    uncertainty: Annotated[
        Path | None, typer.Option(help="Image file for the error expected at each voxel's value.")
    ] = None,
    unit: Annotated[
        str, typer.Option(help="HU, SUVbw or Bq/mL, where INPUT does not say it; what the model takes by default.")
    ] = "",
    report: Annotated[Path | None, typer.Option(help="Folder for provenance (JSON) and a figure (PNG).")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a synthetic volume on the grid of INPUT and write it, with its provenance beside it."""
    from medsynth_core.inference.reading import read_input
    from medsynth_core.inference.report import write_report
    from medsynth_core.inference.synthesis import synthesize as run
    from medsynth_core.io.atomic import make_folder
    from medsynth_core.io.writing import check_output, write_labelled
    from medsynth_core.models.library import load_model

    loaded = load_model(model)
    with progress_bar(as_json) as progress:
        progress(0.0, "Reading the volume")
        volume = read_input(input, loaded.contract, unit)
        written = [path for path in (output, uncertainty) if path is not None]
        check_distinct([input, *written])
        for path in written:
            check_output(volume, path)
        if report is not None:
            make_folder(report)
        result = run(
            volume,
            loaded,
            device=device,
            batch_size=batch_size,
            uncertainty=uncertainty is not None,
            progress=progress.part(0.05, 0.95),
        )
        progress(0.95, "Writing the result")
        write_labelled(result, output)
        if uncertainty is not None and result.uncertainty is not None:
            write_labelled(result.uncertainty, uncertainty)
        if report is not None:
            write_report(volume, result, report)
    if as_json:
        print_json(
            {"output": str(output), "modality": result.modality, "unit": result.unit, "provenance": result.metadata}
        )
        return
    for line in result.metadata["log"]:
        print(line)
    print(f"{output}: synthetic {result.modality} in {result.unit}, {result.metadata['seconds']} s. Not for diagnosis.")
    for limit in result.metadata["limits"]:
        print(f"  Mind: {limit}")
