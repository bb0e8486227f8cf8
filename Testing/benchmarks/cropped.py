"""How much synthetic slices change when other slices of the CT are cut away.

Run with ``python Testing/benchmarks/cropped.py [MANIFEST]`` for the sample case, or the validation cases of a manifest
with the column ``ct``. Each CT is synthesized whole, and as its lower, middle and upper third; slices within four of a
cut are not compared, because the network and the resampling see beyond the cut there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from medsynth_core import load_model, read_volume, synthesize
from medsynth_core.datasets.manifest import read_manifest, split_of
from medsynth_core.volume import Volume

ROOT = Path(__file__).parents[2]
MODELS = ("ct-to-pet", "ct-to-mr")
ENDS = 4


def part(ct: Volume, first: int, last: int) -> Volume:
    """Return slices ``first`` to ``last`` - 1 of a CT."""
    matrix = ct.ijk_to_ras.copy()
    matrix[:3, 3] += first * matrix[:3, 2]
    return ct.replace(voxels=ct.voxels[first:last], ijk_to_ras=matrix)


def change(ct: Volume, model: str) -> float:
    """Return the largest change of a voxel, in the unit of the model."""
    loaded, slices = load_model(model), ct.shape[0]
    whole = synthesize(ct, loaded, device="cpu").voxels
    cuts = np.linspace(0, slices, 4).astype(int).tolist()
    largest = 0.0
    for first, last in zip(cuts[:-1], cuts[1:], strict=True):
        made = synthesize(part(ct, first, last), loaded, device="cpu").voxels
        low, high = ENDS if first else 0, ENDS if last < slices else 0
        kept = slice(low, last - first - high)
        largest = max(largest, float(np.abs(made[kept] - whole[first:last][kept]).max(initial=0)))
    return largest


def main() -> None:
    """Print the largest change of each model and case."""
    files = {"sample": ROOT / "Resources" / "SampleCase" / "ct.nii.gz"}
    if len(sys.argv) > 1:
        files = {case.name: case.files["ct"] for case in split_of(read_manifest(Path(sys.argv[1]), ("ct",)), "val")}
    found = {
        model: {name: change(read_volume(file, modality="CT", unit="HU"), model) for name, file in files.items()}
        for model in MODELS
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
