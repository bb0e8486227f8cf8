"""dcm2niix reads every derived series to the same voxels at the same positions."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from derived_helpers import GRID, ct_reference, enhanced_pet_reference, pet_reference, synthetic

from medsynth_core.io.dicom.derived.series_writing import write_dicom
from medsynth_core.io.nifti import read_nifti
from medsynth_core.volume import Volume

pytestmark = pytest.mark.skipif(not shutil.which("dcm2niix"), reason="dcm2niix is not installed (Debian: dcm2niix)")

FLIPPED = GRID @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 2], [0, 0, 0, 1.0]])
TILT = np.deg2rad(20)
OBLIQUE = GRID @ np.eye(4)
OBLIQUE[:3, :3] = (
    np.array([[1, 0, 0], [0, np.cos(TILT), -np.sin(TILT)], [0, np.sin(TILT), np.cos(TILT)]]) @ GRID[:3, :3]
)
VOLUMES = {
    "PT": synthetic(),
    "PT with negative values": synthetic(voxels=synthetic().voxels - 2),
    "PT of errors": synthetic(metadata={**synthetic().metadata, "error_map": True}),
    "CT": synthetic("CT", "HU", voxels=np.rint(synthetic().voxels * 300 - 1000).astype(np.int16)),
    "MR": synthetic("MR", ""),
    "MR of whole numbers": synthetic("MR", "", voxels=np.rint(synthetic().voxels * 500).astype(np.int16)),
    "left-handed": synthetic(ijk_to_ras=FLIPPED),
    "coronal": synthetic(shape=(4, 3, 5), ijk_to_ras=GRID[:, [0, 2, 1, 3]]),
    "oblique": synthetic("CT", "HU", shape=(4, 4, 6), ijk_to_ras=OBLIQUE),
}


def converted(folder: Path, output: Path) -> Volume:
    """Return a series as dcm2niix converts it."""
    output.mkdir()
    command = ["dcm2niix", "-z", "n", "-b", "n", "-f", "volume", "-o", str(output), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    files = list(output.glob("*.nii"))
    assert len(files) == 1, done.stdout + done.stderr
    return read_nifti(files[0])


@pytest.mark.parametrize("reference", [ct_reference, pet_reference, enhanced_pet_reference])
@pytest.mark.parametrize("name", VOLUMES)
def test_voxels_and_positions_are_the_same(tmp_path, name, reference):
    volume = VOLUMES[name]
    folder = write_dicom(volume, tmp_path / "series", reference(tmp_path / "reference"))
    theirs = converted(folder, tmp_path / "nifti")
    assert theirs.voxels.size == volume.voxels.size
    k, j, i = (axis.ravel() for axis in np.indices(volume.shape))
    places = np.linalg.inv(theirs.ijk_to_ras) @ volume.ijk_to_ras @ np.stack([i, j, k, np.ones_like(i)])
    nearest = np.rint(places[:3]).astype(int)
    assert np.abs(places[:3] - nearest).max() < 1e-3
    found = theirs.voxels[nearest[2], nearest[1], nearest[0]].reshape(volume.shape)
    # One slope for the whole file, so small values of a PET have its precision, not that of their slice.
    assert np.abs(found - volume.voxels).max() <= 2e-5 * np.abs(volume.voxels).max() + (volume.modality == "CT") * 0.5
