"""``medsynth structure``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from medsynth_core.cli.output import AsJson, print_json, progress_bar, say

Window = tuple[float, float]


def structure(
    input: Annotated[Path, typer.Argument(help="Image file, DICOM folder, or picture (PNG, JPEG, TIFF, GIF).")],
    output: Annotated[
        Path,
        typer.Argument(
            help="Label map (.nii.gz, .nrrd, .mha) or segmentation (.seg.nrrd) to write; .png if INPUT is a picture."
        ),
    ],
    background_mask: Annotated[
        Path | None, typer.Option(help="Also write the mask of what is not the organ to this file.")
    ] = None,
    lesion: Annotated[Path | None, typer.Option(help="Mask of lesions, whose own edges are left out.")] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="Settings for a kind of image: brain-mr, x-ray, fundus, lung-ct, extremity-ct or extremity-mr; "
            "automatic thresholds by default. The options below replace single ones."
        ),
    ] = "",
    solid: Annotated[bool, typer.Option(help="Find edges in three dimensions instead of in axial slices.")] = False,
    channel: Annotated[
        Literal["grey", "red", "green", "blue"] | None, typer.Option(help="What to take of a colour picture.")
    ] = None,
    sigma1: Annotated[float | None, typer.Option(help="Smoothing of the edges, in pixels.")] = None,
    alpha: Annotated[float | None, typer.Option(help="Threshold of the edges, 0 to 1.")] = None,
    sigma2: Annotated[float | None, typer.Option(help="Widening of the lines, in pixels.")] = None,
    beta: Annotated[float | None, typer.Option(help="Threshold of the widened lines, 0 to 1.")] = None,
    median: Annotated[int | None, typer.Option(help="Side of the median filter of the map, in pixels.")] = None,
    gamma: Annotated[float | None, typer.Option(help="Threshold of the organ, 0 to 1 of the image's range.")] = None,
    grow: Annotated[int | None, typer.Option(help="Pixels by which the organ is enlarged.")] = None,
    background_median: Annotated[
        int | None, typer.Option(help="Side of the median filter of the background mask, in pixels.")
    ] = None,
    window: Annotated[
        Window | None, typer.Option(help="The two values that become 0 and 1, in the unit of the image.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Extract the structure map of an image: the lines of its edges, without values."""
    from medsynth_core.structure.files import StructureFiles, write_structure
    from medsynth_core.structure.settings import settings_for

    values = {
        "sigma1": sigma1, "alpha": alpha, "sigma2": sigma2, "beta": beta, "median": median, "gamma": gamma,
        "grow": grow, "background_median": background_median, "window": window,
    }  # fmt: skip
    settings = settings_for(preset, values)
    files = StructureFiles(input, output, background_mask, lesion, channel)
    with progress_bar(as_json) as progress:
        shares = write_structure(files, settings, solid=solid, progress=progress)
    if as_json:
        print_json({"output": str(output), "shares": shares, "settings": settings.to_dict()})
        return
    say(f"{output}: lines on {shares['lines']:.1%} of the image, background on {shares['background']:.1%}.")
