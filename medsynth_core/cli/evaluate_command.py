"""``medsynth evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth_core.cli.output import AsJson, print_json, print_table, say


def evaluate(
    synthetic: Annotated[Path, typer.Argument(help="Synthetic image.")],
    reference: Annotated[
        Path, typer.Argument(help="Real image; resampled onto the synthetic one's grid. NaN is left out.")
    ],
    mask: Annotated[Path | None, typer.Option(help="Mask of the voxels to compare; all voxels by default.")] = None,
    region: Annotated[
        str,
        typer.Option(
            help="frame (full image), body (found in the source or, without one, in the reference) or reference (where "
            "the real image is not 0); a mask limits it further."
        ),
    ] = "frame",
    lesion: Annotated[Path | None, typer.Option(help="Lesion mask, to compute SUV errors.")] = None,
    preset: Annotated[
        str, typer.Option(help="default, synthrad2023, synthrad2025_eval, pet_minmax or dong2020.")
    ] = "default",
    source: Annotated[
        Path | None,
        typer.Option(help="Input of the synthesis, for the figure and for --region body."),
    ] = None,
    figure: Annotated[Path | None, typer.Option(help="PNG file to write.")] = None,
    unit: Annotated[str, typer.Option(help="Unit of both images, if the files do not state it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Compare a synthetic image with the real one."""
    from medsynth_core.evaluation.report import evaluate as run
    from medsynth_core.evaluation.source import read_source
    from medsynth_core.figures.side_by_side import check_figure
    from medsynth_core.io.reading import read_volume

    if figure is not None:
        check_figure(figure)
    volume = read_volume(synthetic, unit=unit)
    source_volume = read_source(source, volume) if source else None
    report = run(
        volume,
        read_volume(reference, unit=unit, allow_nan=True),
        mask=read_volume(mask) if mask else None,
        lesion=read_volume(lesion) if lesion else None,
        preset=preset,
        region=region,
        source=source_volume,
    )
    if figure is not None:
        report.figure(figure, source=source_volume)
    if as_json:
        print_json(report.to_dict())
        return
    print_table(*report.table())
    for line in report.remarks():
        say(line)
