"""Simulation of a lower dose from image file to image file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medsynth_core.io.facts import doubts_of
from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import check_distinct, check_output, write_labelled
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.simulation.dose import simulate_dose
from medsynth_core.simulation.settings import DoseSettings
from medsynth_core.volume import Volume

# Unit assumed if none is stated. The noise is relative to the image, so the voxels do not depend on it.
USUAL_UNIT = "SUVbw"


@dataclass(frozen=True)
class DoseFiles:
    """Input and output files of a dose simulation.

    Attributes:
        pet: image file or DICOM folder of the full-dose PET.
        low: image file to write the low-dose PET to.
        ct: image file or DICOM folder of the CT for attenuation; None to simulate without attenuation.
        full: image file to write the full-dose PET of the same counts to; None to omit it.
        unit: unit of the PET, if its file does not state it.
    """

    pet: Path
    low: Path
    ct: Path | None = None
    full: Path | None = None
    unit: str = ""


def simulate_dose_files(
    files: DoseFiles,
    factor: float,
    *,
    settings: DoseSettings,
    seed: int = 0,
    progress: Progress | ProgressCallback | None = None,
) -> Volume:
    """Simulate a lower dose, write it with its provenance in a JSON file beside it, and return it.

    ``progress.log`` reports the unit assumed if none is stated, and why a PET from DICOM is not in SUV. The provenance
    records under ``input_unit_stated`` whether the unit was stated.

    Args:
        files: input and output files.
        factor: dose reduction factor above 1.
        settings: method, reconstruction, counts and filter.
        seed: random seed; the same seed gives the same bits (with the same NumPy version).
        progress: called as ``progress(fraction, message)``.

    Raises:
        MedSynthError: as `simulate_dose`; or a file cannot be read or written, or is named twice.
        Cancelled: the progress callback asked to stop.
    """
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    progress(0.0, "Reading the volume")
    pet, stated = _read_pet(files, progress)
    ct = read_volume(files.ct, modality="CT", unit="HU") if files.ct is not None else None
    written = [path for path in (files.low, files.full) if path is not None]
    check_distinct([path for path in (files.pet, files.ct, *written) if path is not None])
    for path in written:
        check_output(pet, path)
    made = simulate_dose(pet, [factor], ct=ct, settings=settings, seed=seed, progress=progress.part(0.05, 0.95))
    progress(0.95, "Writing the result")
    (low,) = made.low.values()
    for volume, path in zip((low, made.full), written, strict=False):
        # The file will have a unit in its JSON, so record whether that was stated or assumed.
        write_labelled(volume.replace(metadata={**volume.metadata, "input_unit_stated": stated}), path)
    return low


def _read_pet(files: DoseFiles, progress: Progress) -> tuple[Volume, bool]:
    """Return the PET with its unit, and whether the unit was stated by the file or the user."""
    pet = read_volume(files.pet, modality="PT", unit=files.unit)
    for doubt in (*doubts_of(pet.metadata), pet.metadata.get("suv_refused")):
        if doubt:
            progress.log(doubt)
    if pet.unit:
        return pet, True
    progress.log(f"{files.pet} states no unit, so {USUAL_UNIT} is assumed; if that is wrong, set the unit with --unit.")
    return pet.replace(unit=USUAL_UNIT), False
