"""``medsynth evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medsynth_core.cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from medsynth_core.volume import Volume


def evaluate(
    synthetic: Annotated[Path, typer.Argument(help="Synthetic image.")],
    reference: Annotated[Path, typer.Argument(help="Real image; resampled onto the synthetic one's grid.")],
    mask: Annotated[Path | None, typer.Option(help="Where to compare; everywhere by default.")] = None,
    lesion: Annotated[Path | None, typer.Option(help="Lesion mask, for the SUV errors in it.")] = None,
    preset: Annotated[
        str, typer.Option(help="default, synthrad2023, synthrad2025_eval, pet_minmax or dong2020.")
    ] = "default",
    source: Annotated[Path | None, typer.Option(help="What the synthetic image was made from, for the figure.")] = None,
    figure: Annotated[Path | None, typer.Option(help="PNG to write.")] = None,
    unit: Annotated[str, typer.Option(help="Unit of both images where the files do not say it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Compare a synthetic image with the real one."""
    from medsynth_core.evaluation.report import evaluate as run
    from medsynth_core.io.reading import read_volume

    judged = read_volume(synthetic, unit=unit)
    report = run(
        judged,
        read_volume(reference, unit=unit),
        mask=read_volume(mask) if mask else None,
        lesion=read_volume(lesion) if lesion else None,
        preset=preset,
    )
    if figure is not None:
        report.figure(figure, source=_read_source(source, judged.metadata) if source else None)
    if as_json:
        print_json(report.to_dict())
        return
    print_table(["metric", "value"], [[name, f"{value:.5g}"] for name, value in report.metrics.items()])


def _read_source(path: Path, provenance: dict[str, Any]) -> Volume:
    """Read what a synthetic image was made from, with the modality and unit that its provenance states."""
    from medsynth_core.io.reading import read_volume

    stated = {key: str(provenance.get(f"input_{key}", "")) for key in ("modality", "unit")}
    return read_volume(path, **stated)
