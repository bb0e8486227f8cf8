"""How often CTs with wrong values are refused, and how often whole CTs and crops within a patient are, wrongly.

Run with ``python Testing/benchmarks/wrong_ct.py MANIFEST.csv [IMAGE ...]``. The manifest has the column ``ct``;
its training and validation cases are used, and each further CT (``IMAGE``). Boxes within each patient, without air at
their edges, are cut from the CT at random, as they are and interpolated to other voxels (``zoomed``): none of them
should be refused. The air of the whole CT is moved or filled, or all its values are changed, in several ways: all of
these should be refused. Small crops without any fat or air are refused rightly: their values could be of any kind.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import zoom

from medsynth_core import read_volume
from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.preparation.body import body_mask
from medsynth_core.preparation.value_checks import unusable_ct
from medsynth_core.volume import Volume

SEED = 20261129
CROPS = 30
SMALLEST = 12
TRIES = 400


def damaged(ct: Volume, draw: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Yield names of damages and CTs whose air (all that is not the body) suffered them."""
    hu, air = ct.voxels.astype(np.float32), ~body_mask(ct.voxels)
    noise = draw.normal(0, 10, hu.shape)
    for name, values in {
        "0": np.zeros_like(hu),
        "40": np.full_like(hu, 40),
        "0, one deviation of 1": np.round(draw.normal(0, 1, hu.shape)),
        "0, deviation of 10": np.round(noise),
        "moved by 1000": hu + 1000,
        "moved by 1000, cut off at 0": np.maximum(hu + 1000, 0),
        "moved by 1024, cut off at 0": np.maximum(hu + 1024, 0),
    }.items():
        yield f"air: {name}", np.where(air, values, hu).astype(np.float32)
    for name, values in {"sign reversed": -hu, "halved": hu / 2, "moved by 500": hu + 500}.items():
        yield f"all: {name}", values


def crops(ct: Volume, draw: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield boxes of the CT that have no air in their outermost layers, of random place and size."""
    hu, found = ct.voxels, 0
    for _ in range(TRIES):
        sides = [int(draw.integers(min(SMALLEST, n), n + 1)) for n in np.minimum(hu.shape, 140)]
        start = [int(draw.integers(0, n - side + 1)) for n, side in zip(hu.shape, sides, strict=True)]
        box = hu[tuple(slice(first, first + side) for first, side in zip(start, sides, strict=True))]
        edges = [np.take(box, index, axis) for axis in (1, 2) for index in (0, -1)]
        if min(edge.min() for edge in edges) > -500:
            yield box
            found += 1
        if found == CROPS:
            return


def main(manifest: Path, further: list[Path]) -> None:
    """Print how many CTs of each kind there were and how many were refused."""
    paths = [case.files["ct"] for case in read_manifest(manifest, ("ct",)) if case.split in ("train", "val")]
    seen, refused = Counter[str](), Counter[str]()
    for path in [*paths, *further]:
        ct, draw = read_volume(path), np.random.default_rng(SEED)
        kinds = [("whole", ct.voxels), *damaged(ct, draw)]
        for box in crops(ct, draw):
            factor = draw.uniform(0.5, 2.0)
            kinds += [("crop within the patient", box)]
            if min(box.shape) * factor >= SMALLEST:
                kinds += [("the same, zoomed", zoom(box, factor, order=1, mode="nearest"))]
        for kind, hu in kinds:
            seen[kind] += 1
            reasons = unusable_ct(np.ascontiguousarray(hu, dtype=np.float32))
            refused[kind] += bool(reasons)
            if reasons and not kind.startswith(("air", "all")):
                print(f"{path.parent.name}: {kind}, {hu.shape}: {reasons[0][:90]}", file=sys.stderr)
    for kind, count in seen.items():
        print(f"{kind:32}{refused[kind]:5} of {count:5} refused")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(path) for path in sys.argv[2:]])
