"""``medsynth simulate-dose``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from medsynth_core.cli.output import AsJson, print_json, progress_bar, say, written_image


def simulate_dose(
    input: Annotated[Path, typer.Argument(help="PET: image file or DICOM folder.")],
    output: Annotated[Path, typer.Argument(help="Image file to write: .nii.gz, .nrrd, .mha.")],
    factor: Annotated[float, typer.Option(help="Dose reduction factor, e.g. 4, 10, 20, 50 or 100.")],
    ct: Annotated[
        Path | None, typer.Option(help="CT of the study, to simulate attenuation; no attenuation by default.")
    ] = None,
    full_dose: Annotated[
        Path | None,
        typer.Option(help="Also write the full-dose image from the same counts and reconstruction to this file."),
    ] = None,
    method: Annotated[
        Literal["projection", "image-space"],
        typer.Option(help="Simulate counts and reconstruct them, or add approximate noise to the image."),
    ] = "projection",
    reconstruction: Annotated[Literal["osem", "fbp"], typer.Option(help="Reconstruction of the counts.")] = "osem",
    unit: Annotated[
        str, typer.Option(help="SUVbw or Bq/mL, if the file does not state its unit; SUVbw by default.")
    ] = "",
    random_seed: Annotated[int, typer.Option(help="Seed of the noise; the same seed gives the same image.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Simulate a PET of lower dose or shorter acquisition, on the grid of INPUT."""
    from medsynth_core.simulation.dose_files import DoseFiles, simulate_dose_files
    from medsynth_core.simulation.settings import DoseSettings

    files = DoseFiles(input, output, ct=ct, full=full_dose, unit=unit)
    settings = DoseSettings(method=method, reconstruction=reconstruction)
    with progress_bar(as_json) as progress:
        low = simulate_dose_files(files, factor, settings=settings, seed=random_seed, progress=progress)
    if as_json:
        print_json(written_image(output, low))
        return
    approximate = ", approximate" * low.metadata["simulation"]["approximate"]
    say(f"{output}: simulated PET in {low.unit} at 1/{factor:g} of the dose{approximate}. Not for diagnosis.")
