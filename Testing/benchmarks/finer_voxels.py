"""Effect of averaging voxels that are finer than ``low-dose-pet`` accepts, on noise, dose, activity and lesions.

Run with ``python Testing/benchmarks/finer_voxels.py MANIFEST.csv [PET ...]``. The manifest has the columns ``pet``,
``ct`` and ``lesion``; its validation cases are used, never its test cases. Each PET, and each further PET file or DICOM
folder (``PET``), is taken as the true activity on its own grid and, interpolated, on finer grids; lower doses are
simulated on each grid with counts in proportion to the thickness of the slices, and synthesized. Columns:

- ``round trip``: change of the total and of the lesion's SUVmax, SUVpeak and SUVmean when the full dose is averaged and
  interpolated back, without a model;
- ``noise``: root mean square difference to the full dose in the body, relative to its mean there: of the low dose, of
  its average, and of the result;
- ``named``: the dose that the model names, ``activity``: its ratio to the input in the body, and the lesion's errors.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from medsynth_core import Volume, load_model, read_volume, simulate_dose, synthesize
from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.grid import Grid, resample, resample_array
from medsynth_core.metrics.lesion import lesion_errors
from medsynth_core.preparation.averaging import averaging_of
from medsynth_core.preparation.body import activity_mask
from medsynth_core.recipes.recipe import read_recipe
from medsynth_core.resources import resource_folder

GRIDS = {"own": None, "3.39 x 3.39 x 2.03": (3.39, 3.39, 2.03), "2.04 x 2.04 x 2.03": (2.04, 2.04, 2.03)}
FACTORS = (4.0, 20.0, 100.0)
UPTAKE = ("suvmax_error", "suvpeak_error", "suvmean_error")
COLUMNS = ["case", "grid", "factor", "noise low", "noise averaged", "noise result", "named", "activity", *UPTAKE]


def on_grid(pet: Volume, spacing: tuple[float, ...] | None) -> Volume:
    """Return a PET interpolated onto a grid of this spacing (mm) that covers the same box."""
    if spacing is None:
        return pet
    grid = Grid.of(pet).with_spacing(np.array(spacing))
    return pet.replace(voxels=resample_array(pet.voxels, Grid.of(pet), grid), ijk_to_ras=grid.ijk_to_ras)


def noise(made: np.ndarray, full: np.ndarray, body: np.ndarray) -> str:
    """Return the root mean square difference in the body, relative to the mean of the full dose there."""
    difference = (made - full)[body]
    return f"{np.sqrt(np.mean(difference**2)) / full[body].mean():.3f}"


def errors(made: Volume, full: Volume, lesion: np.ndarray | None) -> list[str]:
    """Return the errors of the lesion's uptake in percent; empty texts without a lesion."""
    if lesion is None:
        return [""] * len(UPTAKE)
    found = lesion_errors(full.voxels, made.voxels, lesion, full.ijk_to_ras)
    return [f"{found[name]:+.1f}" for name in UPTAKE]


def measure(name: str, pet: Volume, ct: Volume | None, lesion: Volume | None, write) -> None:
    """Measure a PET on each grid and write a row for the round trip and each dose."""
    model = load_model("low-dose-pet")
    settings = read_recipe(resource_folder() / "Recipes" / "low-dose-pet.yaml").dose.simulation
    for grid, spacing in GRIDS.items():
        given = on_grid(pet, spacing)
        inside = None if lesion is None else resample(lesion, given, order="nearest").voxels != 0
        counts = settings.counts * given.spacing[2] / pet.spacing[2]
        made = simulate_dose(given, FACTORS, ct=ct, settings=settings.model_copy(update={"counts": counts}))
        body = activity_mask(made.full.voxels, np.array(given.spacing), 0)
        averaging = averaging_of(given, model.synthesis.contract)

        def averaged(volume: Volume, averaging=averaging) -> Volume:
            if averaging is None:
                return volume
            return volume.replace(voxels=averaging.restore(averaging.apply(volume).voxels))

        back = averaged(made.full)
        ratio = back.voxels.sum(dtype=np.float64) / made.full.voxels.sum(dtype=np.float64)
        trip = noise(back.voxels, made.full.voxels, body)
        write([name, grid, "round trip", "", trip, "", "", f"{ratio:.6f}", *errors(back, made.full, inside)])
        for factor, low in {1.0: made.full, **made.low}.items():
            result = synthesize(low, model, device="cpu")
            noises = [noise(v.voxels, made.full.voxels, body) for v in (low, averaged(low), result)]
            facts = result.metadata
            named, activity = f"{facts['dose_reduction_factor']:g}", f"{facts['activity_ratio']:.4f}"
            write([name, grid, f"{factor:g}", *noises, named, activity, *errors(result, made.full, inside)])


def main() -> None:
    """Measure all cases and print a row for each as CSV."""
    writer = csv.writer(sys.stdout)
    writer.writerow(COLUMNS)

    def write(row: list[str]) -> None:
        writer.writerow(row)
        sys.stdout.flush()

    for case in read_manifest(Path(sys.argv[1]), ("pet", "ct", "lesion")):
        if case.split == "val":
            pet = read_volume(case.files["pet"], modality="PT", unit="SUVbw")
            ct = read_volume(case.files["ct"], modality="CT", unit="HU")
            measure(case.name, pet, ct, read_volume(case.files["lesion"]), write)
    for number, path in enumerate(sys.argv[2:], start=1):
        measure(f"further {number}", read_volume(path, modality="PT", unit="SUVbw"), None, None, write)


if __name__ == "__main__":
    main()
