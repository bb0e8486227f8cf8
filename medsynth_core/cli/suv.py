"""``medsynth suv``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medsynth_core.cli.output import AsJson, print_json
from medsynth_core.errors import MedSynthError


def suv(
    dicom_dir: Annotated[Path, typer.Argument(help="Folder of a PET series, or one of its files.")],
    output: Annotated[Path, typer.Argument(help="Image file to write: .nii.gz, .nrrd, .mha.")],
    to: Annotated[
        str, typer.Option(help="SUVbw, SUVlbm, SUVlbm-james, SUVlbm-janma, SUVibw (g/mL) or SUVbsa (cm²/mL).")
    ] = "SUVbw",
    as_json: AsJson = False,
) -> None:
    """Write a PET series in SUV, and beside it the tags and numbers that it follows from."""
    from medsynth_core import __version__
    from medsynth_core.io.reading import read_volume
    from medsynth_core.io.suv.body import SUV_UNITS
    from medsynth_core.io.writing import check_output, write_labelled

    if to not in SUV_UNITS:
        raise MedSynthError(f"There is no SUV called '{to}'; take one of {', '.join(SUV_UNITS)}.")
    volume = read_volume(dicom_dir, modality="PT", unit=to)
    if "suv" not in volume.metadata:
        raise MedSynthError(f"{dicom_dir} has no DICOM tags, from which an SUV follows; give the DICOM series.")
    check_output(volume, output)
    volume = volume.replace(metadata={"medsynth_version": __version__, **volume.metadata})
    write_labelled(volume, output)
    if as_json:
        print_json(
            {"output": str(output), "modality": volume.modality, "unit": volume.unit, "provenance": volume.metadata}
        )
        return
    used = volume.metadata["suv"]
    print(f"{output}: PET in {volume.unit}, {volume.voxels.min():.2f} to {volume.voxels.max():.2f}.")
    for line in _explained(used):
        print(f"  {line}")
    for warning in used["warnings"]:
        print(f"  Mind: {warning}")


def _explained(used: dict[str, Any]) -> list[str]:
    """Return what the SUV follows from, a line a subject; what was not needed is left out."""
    told = {
        "Stored in": " ".join(str(used[key]) for key in ("units", "suv_type", "scale") if used.get(key)),
        "Decay correction": used.get("decay_correction"),
        "Reference time": used.get("reference_time"),
        "Injection time": used.get("injection_time"),
        "From injection to reference time, s": used.get("injection_to_reference_s"),
        "Weight, kg": used.get("weight_kg"),
        "Lean or ideal body mass, kg": used.get("body_mass_kg"),
        "Body surface, cm²": used.get("body_surface_cm2"),
        "Injected, MBq": used["dose_bq"] / 1e6 if "dose_bq" in used else None,
        "Half-life, s": used.get("half_life_s"),
        "Factor": used["factor"],
    }
    return [f"{subject}: {_shown(value)}" for subject, value in told.items() if value is not None]


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " to ".join(_shown(one) for one in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
