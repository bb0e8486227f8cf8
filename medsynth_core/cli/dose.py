"""``medsynth simulate-dose``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from medsynth_core.cli.output import AsJson, check_distinct, print_json, progress_bar


def simulate_dose(
    input: Annotated[Path, typer.Argument(help="PET: image file or DICOM folder.")],
    output: Annotated[Path, typer.Argument(help="Image file to write: .nii.gz, .nrrd, .mha.")],
    factor: Annotated[float, typer.Option(help="By which the dose is reduced: 4, 10, 20, 50, 100.")],
    ct: Annotated[Path | None, typer.Option(help="CT of the study, for the attenuation; none by default.")] = None,
    full_dose: Annotated[
        Path | None, typer.Option(help="Image file for the full dose of the same counts, reconstructed alike.")
    ] = None,
    method: Annotated[
        Literal["projection", "image-space"], typer.Option(help="Counts and reconstruction, or approximate noise.")
    ] = "projection",
    reconstruction: Annotated[Literal["osem", "fbp"], typer.Option(help="Of the counts.")] = "osem",
    unit: Annotated[str, typer.Option(help="SUVbw or Bq/mL, where the file does not say it; SUVbw by default.")] = "",
    random_seed: Annotated[int, typer.Option(help="The same one gives the same image.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Simulate what less dose, or less time, would have shown, on the grid of INPUT."""
    from medsynth_core.io.reading import read_volume
    from medsynth_core.io.writing import check_output, write_labelled
    from medsynth_core.simulation.dose import simulate_dose as run
    from medsynth_core.simulation.settings import DoseSettings

    written = [path for path in (output, full_dose) if path is not None]
    with progress_bar(as_json) as progress:
        progress(0.0, "Reading the volume")
        pet = read_volume(input, modality="PT", unit=unit)
        if "suv_refused" in pet.metadata:
            progress.log(pet.metadata["suv_refused"])
        stated = bool(pet.unit)
        if not stated:
            progress.log(f"{input} states no unit, so its values are taken for SUVbw; state theirs with --unit.")
        # The unit changes no voxel: noise is relative to the image.
        pet = pet.replace(unit=pet.unit or "SUVbw")
        body = read_volume(ct, modality="CT", unit="HU") if ct is not None else None
        check_distinct([path for path in (input, ct, *written) if path is not None])
        for path in written:
            check_output(pet, path)
        simulation = run(
            pet,
            [factor],
            ct=body,
            settings=DoseSettings(method=method, reconstruction=reconstruction),
            seed=random_seed,
            progress=progress.part(0.05, 0.95),
        )
        progress(0.95, "Writing the result")
        (low,) = simulation.low.values()
        for volume, path in zip((low, simulation.full), written, strict=False):
            # What is beside the file counts as stated from now on.
            write_labelled(volume.replace(metadata={**volume.metadata, "input_unit_stated": stated}), path)
    if as_json:
        print_json({"output": str(output), "modality": low.modality, "unit": low.unit, "provenance": low.metadata})
        return
    approximate = ", approximate" * low.metadata["simulation"]["approximate"]
    print(f"{output}: simulated PT in {low.unit} of 1/{factor:g} of the dose{approximate}. Not for diagnosis.")
