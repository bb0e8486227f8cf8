"""Labels of the vessels of fundus photographs: those drawn by hand, and coarse ones from a structure map (Table 6)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medsynth_core.datasets.manifest import Case
from medsynth_core.grid import Grid, resample_array
from medsynth_core.io.picture_volume import read_grey
from medsynth_core.preparation.case import model_grid
from medsynth_core.preparation.contract import GenerationContract
from medsynth_core.preparation.frame import framed

ROLE = "vessels"
# Pixels by which the organ is shrunk: the lines of its border are no vessels.
SHRINK = 5


def coarse_vessels(lines: np.ndarray, organs: np.ndarray) -> np.ndarray:
    """Return the lines of structure maps in the organ, shrunk by `SHRINK` pixels, as Qu's thesis labels vessels.

    Args:
        lines, organs: (n, rows, columns), boolean. What lies beyond the image is not organ.

    Returns:
        (n, rows, columns), uint8: 1 for a vessel.
    """
    from scipy.ndimage import distance_transform_edt

    depths = (distance_transform_edt(np.pad(organ, 1))[1:-1, 1:-1] for organ in organs)
    inside = np.stack([depth > SHRINK for depth in depths]) if len(organs) else organs
    return (lines & inside).astype(np.uint8)


def drawn_by_hand(cases: Sequence[Case], contract: GenerationContract) -> np.ndarray:
    """Return the vessels of cases in the frames of a model: pixels of which half or more is vessel.

    Args:
        cases: cases with a mask in the column ``vessels``.
        contract: of the model.

    Returns:
        (n, rows, columns), uint8: 1 for a vessel.

    Raises:
        MedSynthError: a mask cannot be read.
    """
    found = []
    for case in cases:
        mask = read_grey(case.files[ROLE])
        shares = resample_array((mask.voxels != 0).astype(np.float32), Grid.of(mask), model_grid(mask, contract))
        found.append(framed(shares, contract.side, 0.0))
    return (np.concatenate(found) >= 0.5).astype(np.uint8)
