"""Scores of a synthetic volume in the experiments, on the grid of the CT and in the same regions for every method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsynth_core.datasets.manifest import Case
from medsynth_core.evaluation.report import evaluate
from medsynth_core.grid import Grid, resample, resample_array
from medsynth_core.io.reading import read_volume
from medsynth_core.preparation.body import body_mask
from medsynth_core.volume import Volume

PET_METRICS = ("mae", "psnr", "ssim", "ms_ssim", "suvmax_error_size", "suvmean_error_size")
MR_METRICS = ("mae", "psnr", "ssim", "ms_ssim", "lesion_mae", "mae_255", "ssim_255")
# Signed errors cancel out in a mean over patients, so their absolute values are averaged.
SIGNED = ("suvmax_error", "suvmean_error")


@dataclass(frozen=True)
class ScoredCase:
    """A test case with everything that its synthetic volume is compared with.

    Attributes:
        ct: input of the methods.
        reference: the real volume on the CT's grid; 0 outside its field of view.
        region: where errors are measured, on the CT's grid.
        lesion: the tumour on the CT's grid.
    """

    name: str
    ct: Volume
    reference: Volume
    region: Volume
    lesion: Volume

    def __call__(self, synthetic: Volume) -> dict[str, float]:
        """Return the metrics of a synthetic volume on the CT's grid.

        PET: ``mae`` (SUVbw) in the body, the others over the full frame with SUVbw clipped to 20 and range 20, and the
        absolute errors of uptake in the lesion in percent. MR: ``mae`` (in the unit), ``psnr``, ``ssim`` and
        ``ms_ssim`` in the body where the MR was imaged and is not 0, ``lesion_mae``, and the two measures of Dong et
        al. (2020) in grey levels, ``mae_255`` and ``ssim_255``.
        """
        inside = evaluate(synthetic, self.reference, mask=self.region).metrics
        if self.reference.modality == "MR":
            grey = evaluate(synthetic, self.reference, preset="dong2020").metrics
            return {
                **inside,
                "lesion_mae": evaluate(synthetic, self.reference, mask=self.lesion).metrics["mae"],
                "mae_255": grey["mae"],
                "ssim_255": grey["ssim_2d_wang11"],
            }
        full = evaluate(synthetic, self.reference, lesion=self.lesion).metrics
        return {**full, "mae": inside["mae"], **{f"{metric}_size": abs(full[metric]) for metric in SIGNED}}


def read_scored_case(case: Case, role: str, modality: str, unit: str) -> ScoredCase:
    """Read a test case.

    Args:
        case: case with the roles ``ct``, ``lesion`` and ``role``.
        role: role of the real volume.
        modality: modality of the real volume.
        unit: unit of the real volume.

    Raises:
        MedSynthError: a file cannot be read.
    """
    ct = read_volume(case.files["ct"], modality="CT", unit="HU")
    real = read_volume(case.files[role], modality=modality, unit=unit)
    moved = resample_array(real.voxels.astype(np.float32), Grid.of(real), Grid.of(ct))
    region = body_mask(ct.voxels)
    if modality == "MR":
        region &= moved > 0
    return ScoredCase(
        case.name,
        ct,
        ct.replace(voxels=moved, modality=modality, unit=unit),
        ct.replace(voxels=region, unit=""),
        resample(read_volume(case.files["lesion"]), ct, order="nearest"),
    )
