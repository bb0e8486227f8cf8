"""A derived series of a result whose input was averaged says so."""

from __future__ import annotations

import pytest
from derived_helpers import headers, pet_reference, synthetic

from medsynth_core.io.dicom.derived.series_writing import write_dicom


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"averaged_spacing": [3.39, 3.39, 4.06]}, "averaged to voxels of 3.39 x 3.39 x 4.06 mm and interpolated back"),
        ({}, None),
        ({"averaged_spacing": "3.39"}, None),
        ({"averaged_spacing": ["x"]}, None),
    ],
)
def test_the_derivation_states_the_size_of_averaged_voxels(facts, words, tmp_path):
    volume = synthetic()
    reference = pet_reference(tmp_path / "pet")
    made = write_dicom(volume.replace(metadata={**volume.metadata, **facts}), tmp_path / "out", reference)
    for header in headers(made):
        assert ("averaged" in header.DerivationDescription) == (words is not None)
        assert words is None or words in header.DerivationDescription
