"""``medsynth generate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from medsynth_core.cli.output import AsJson, print_json, progress_bar, say


def generate(
    model: Annotated[str, typer.Option(help="Generator of the library, or package folder.")],
    count: Annotated[int, typer.Option(help="Number of cases.")],
    output: Annotated[Path, typer.Option(help="Folder for the cases; a run that was interrupted is completed.")],
    slices: Annotated[int, typer.Option(help="Slices of each case, which change gradually.")] = 1,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Draw from the structure map of this image file, picture or DICOM folder, on its grid."
        ),
    ] = None,
    unit: Annotated[str, typer.Option(help="HU, SUVbw or another unit, if the image of --from states none.")] = "",
    preset: Annotated[
        str,
        typer.Option(
            help="Settings of the structure map of --from for a kind of image, as for medsynth structure; by default "
            "those of the training."
        ),
    ] = "",
    lesion: Annotated[Path | None, typer.Option(help="Mask of the lesion on the image of --from.")] = None,
    lesions: Annotated[
        Path | None, typer.Option(help="Manifest with a column 'lesion', or a mask: labels to draw from.")
    ] = None,
    layout: Annotated[
        Literal["plain", "nnunet", "bids"], typer.Option(help="Folders and names of the files.")
    ] = "plain",
    format: Annotated[
        Literal["nifti", "png"], typer.Option(help="png is for single slices; images in colour need it.")
    ] = "nifti",
    class_name: Annotated[
        str | None,
        typer.Option("--class", help="Class of all cases, for a model with classes; by default all classes in turn."),
    ] = None,
    unfiltered: Annotated[
        bool, typer.Option("--unfiltered", help="Keep structure maps that are unlike those of the training images.")
    ] = False,
    random_seed: Annotated[int, typer.Option(help="The same seed gives the same cases.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Generate registered images of several modalities, from noise or from an image's structure.

    A model draws lesions with their labels, or images of classes; pictures may be in colour.
    """
    from medsynth_core.generation.data_set import generate as generated
    from medsynth_core.generation.memorisation import facts_of
    from medsynth_core.structure.settings import settings_for

    with progress_bar(as_json) as progress:
        found = generated(
            model, output, count, seed=random_seed, slices=slices, layout=layout, format=format,
            filtered=not unfiltered, source=source, unit=unit, lesion=lesion, lesions=lesions,
            structure=settings_for(preset) if preset else None, class_name=class_name, device=device,
            progress=progress,
        )  # fmt: skip
    if as_json:
        checked = {role: facts_of(check) for role, check in found.memorisation.items()}
        facts = {"count": found.count, "made": found.made, "redrawn": found.redrawn}
        print_json({"folder": str(found.folder), **facts, "memorisation": checked})
        return
    say(f"{found.count} cases in {found.folder} ({found.made} new); overview.png shows the first ones.")
    for role, check in found.memorisation.items():
        say(f"{role}: {check}")
