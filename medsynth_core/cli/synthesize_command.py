"""``medsynth synthesize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth_core.cli.output import AsJson, named_values, print_json, progress_bar, say, written_image


def synthesize(
    input: Annotated[Path, typer.Argument(help="Image file or DICOM folder.")],
    output: Annotated[Path, typer.Argument(help="Image file to write: .nii.gz, .nrrd, .mha.")],
    model: Annotated[str, typer.Option(help="Model name in the library, or package folder.")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    batch_size: Annotated[int | None, typer.Option(help="Slices per batch; chosen by device by default.")] = None,
    uncertainty: Annotated[
        Path | None, typer.Option(help="Image file for the usual error at each voxel's value, in validation.")
    ] = None,
    unit: Annotated[
        str, typer.Option(help="HU, SUVbw or Bq/mL, if INPUT does not state its unit; the model's unit by default.")
    ] = "",
    report: Annotated[Path | None, typer.Option(help="Folder for provenance (JSON) and a figure (PNG).")] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", help="ROLE=FILE for each further input of a model with several (ct=ct.nii.gz)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Synthesize a volume on the grid of INPUT and write it with a JSON file of its provenance."""
    from medsynth_core.inference.synthesis_files import SynthesisFiles, synthesize_files
    from medsynth_core.models.library import load_model

    others = {role: Path(file) for role, file in named_values(with_ or [], "FILE", "ct=ct.nii.gz").items()}
    files = SynthesisFiles(input, output, others, unit, uncertainty, report)
    loaded = load_model(model)
    with progress_bar(as_json) as progress:
        results = synthesize_files(files, loaded, device=device, batch_size=batch_size, progress=progress)
    written = files.outputs(loaded)
    images = [written_image(written[role], result) for role, result in results.items()]
    result = next(iter(results.values()))
    if as_json:
        more = {"outputs": dict(zip(results, images, strict=True))} if len(images) > 1 else {}
        print_json({**images[0], **more})
        return
    for role, image in results.items():
        seconds = image.metadata["seconds"]
        say(f"{written[role]}: synthetic {image.modality} in {image.unit}, {seconds} s. Not for diagnosis.")
    for limit in result.metadata["limits"]:
        say(f"  Note: {limit}")
