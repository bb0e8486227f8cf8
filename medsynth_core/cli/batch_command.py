"""``medsynth batch``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth_core.cli.output import AsJson, complain, named_values, print_json, progress_bar, say
from medsynth_core.errors import ExitStatus


def batch(
    inputs: Annotated[
        Path,
        typer.Argument(
            help="Manifest (.csv) with the columns case and one per input of the model, or a folder: image files, "
            "BIDS, nnU-Net or DICOM studies."
        ),
    ],
    output_dir: Annotated[Path, typer.Argument(help="Folder for the results, one folder for each study.")],
    model: Annotated[str, typer.Option(help="Model name in the library, or package folder.")],
    role: Annotated[
        list[str] | None,
        typer.Option(
            help="ROLE=PATTERN of the file name in a folder (ct=*ct*.nii*) or, for DICOM, ROLE=MODALITY, which may be "
            "followed by a pattern of the series description (mr=MR:*T1*); repeat for each input."
        ),
    ] = None,
    reference: Annotated[
        str, typer.Option(help="Column of the manifest with real images that the results are compared with.")
    ] = "",
    unit: Annotated[
        str, typer.Option(help="HU, SUVbw or Bq/mL, if the inputs do not state their unit; the model's by default.")
    ] = "",
    names: Annotated[
        str, typer.Option(help="Names of the results: {case}, {role} and {model}, without suffix.")
    ] = "{case}_{role}",
    suffix: Annotated[str, typer.Option(help="Format of the results: .nii.gz, .nii, .nrrd or .mha.")] = ".nii.gz",
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Also write the usual error at each voxel's value.")
    ] = False,
    report: Annotated[bool, typer.Option("--report", help="Also write provenance (JSON) and a figure (PNG).")] = False,
    dicom: Annotated[
        bool, typer.Option("--dicom", help="Also write each result as a DICOM series in the study of its input.")
    ] = False,
    part: Annotated[
        str,
        typer.Option(
            help="The studies of this process if several work on the batch: 2/8 is the second of 8; in a job array of "
            "SLURM that of the job."
        ),
    ] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    processes: Annotated[int, typer.Option(help="Processes on this computer that share the work, through Dask.")] = 1,
    scheduler: Annotated[
        str, typer.Option(help="Address (tcp://node1:8786) or scheduler file (.json) of a Dask cluster.")
    ] = "",
    batch_size: Annotated[int | None, typer.Option(help="Slices at once; chosen by device by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Synthesize many studies; run again, make what is missing. Exit status 3 if some fail (failures.csv)."""
    from medsynth_core.batches.failure_list import FAILURES
    from medsynth_core.batches.part import Part
    from medsynth_core.batches.run import batch as run
    from medsynth_core.batches.settings import BatchSettings

    patterns = named_values(role or [], "PATTERN", "ct=*ct*.nii* or ct=CT")
    settings = BatchSettings(names, suffix, unit, uncertainty, report, dicom)
    with progress_bar(as_json) as progress:
        found = run(
            inputs, output_dir, model, settings=settings, patterns=patterns, reference=reference,
            part=Part.parse(part) if part else Part.of_environment(),
            device=device, batch_size=batch_size, processes=processes, scheduler=scheduler, progress=progress,
        )  # fmt: skip
    if as_json:
        print_json({"folder": str(found.folder), "made": found.made, "there": found.there, "failed": found.failed})
    else:
        say(f"{found.folder}: {len(found.made)} made, {len(found.there)} already there. Not for diagnosis.")
    if found.failed:
        count = len(found.failed)
        complain(f"{count} {'study' if count == 1 else 'studies'} failed; {found.folder / FAILURES} says why.")
        raise typer.Exit(ExitStatus.INCOMPLETE)
