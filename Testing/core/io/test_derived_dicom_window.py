"""A derived series has a display window that fits its values."""

from __future__ import annotations

import numpy as np
import pytest
from derived_helpers import ct_reference, findings, headers, pet_reference, synthetic

from medsynth_core.io.dicom.derived.series_writing import write_dicom


def window(folder, volume, reference):
    """Return center and width, the same for all slices."""
    written = write_dicom(volume, folder / "out", reference)
    assert findings(written / "0001.dcm") == []
    ((center, width),) = {(header.WindowCenter, header.WindowWidth) for header in headers(written)}
    return center, width


@pytest.mark.parametrize(
    ("greatest", "expected"), [(25, (5, 10)), (10, (5, 10)), (3, (1.5, 3)), (0.4, (0.2, 0.4)), (0, (5, 10))]
)
@pytest.mark.parametrize("reference", [ct_reference, pet_reference])
def test_a_pet_shows_suv_0_to_10_or_to_its_maximum(tmp_path, reference, greatest, expected):
    voxels = np.zeros((3, 4, 5), np.float32)
    voxels[1, 2, 3] = greatest
    of_ct = reference(tmp_path / "reference", WindowCenter=40, WindowWidth=400)
    assert window(tmp_path, synthetic(voxels=voxels), of_ct) == pytest.approx(expected)
    # By LINEAR, the default, a width of 10 shows 0 to 9, and one of 0.4 is not allowed.
    assert headers(tmp_path / "out")[0].VOILUTFunction == "LINEAR_EXACT"


def test_a_ct_has_the_windows_of_its_reference(tmp_path):
    windows = {"WindowCenter": [40, -600], "WindowWidth": [400, 1500]}
    reference = ct_reference(tmp_path / "ct", **windows)
    written = headers(write_dicom(synthetic("CT", "HU"), tmp_path / "out", reference))
    for header in written:
        assert (list(header.WindowCenter), list(header.WindowWidth)) == ([40, -600], [400, 1500])
        assert "VOILUTFunction" not in header


@pytest.mark.parametrize(
    ("reference", "windows"),
    [
        (ct_reference, {}),
        (ct_reference, {"WindowCenter": 40, "WindowWidth": 0}),
        (ct_reference, {"WindowCenter": [40, -600], "WindowWidth": 400}),
        (pet_reference, {"WindowCenter": 5000, "WindowWidth": 10000}),
    ],
)
def test_a_ct_without_a_window_to_take_over_shows_soft_tissue(tmp_path, reference, windows):
    made = window(tmp_path, synthetic("CT", "HU"), reference(tmp_path / "reference", **windows))
    assert made == (40, 350)


def test_an_mr_shows_all_but_its_extremes(tmp_path):
    voxels = np.linspace(0, 1, 6000).reshape(3, 40, 50)
    voxels[0, 0, 0] = 50
    reference = ct_reference(tmp_path / "ct", WindowCenter=40, WindowWidth=400)
    center, width = window(tmp_path, synthetic("MR", "", voxels=voxels), reference)
    assert (center - width / 2, center + width / 2) == pytest.approx((0.005, 0.995), abs=1e-3)


@pytest.mark.parametrize(("background", "spot", "expected"), [(0, 700, (350, 700)), (700, 700, (700.5, 1))])
def test_an_mr_of_almost_one_value_has_a_window_too(tmp_path, background, spot, expected):
    voxels = np.full((3, 40, 50), background, np.int16)
    voxels[0, 0, 0] = spot
    assert window(tmp_path, synthetic("MR", "", voxels=voxels), ct_reference(tmp_path / "ct")) == expected
