"""Derived CT, MR and PET objects conform to the standard, as checked by dciodvfy."""

from __future__ import annotations

import numpy as np
import pytest
from derived_helpers import PATIENT, ct_reference, findings, pet_reference, synthetic

from medsynth_core.io.dicom.derived.series_writing import write_dicom

SMALL = np.random.default_rng(0).uniform(0, 1, (3, 4, 5))


@pytest.mark.parametrize("reference", [ct_reference, pet_reference])
@pytest.mark.parametrize(
    "volume",
    [synthetic(), synthetic("CT", "HU"), synthetic("MR", ""), synthetic("MR", "", voxels=SMALL)],
    ids=["PT", "CT", "MR", "MR with a scale"],
)
def test_built_objects(tmp_path, reference, volume):
    for file in write_dicom(volume, tmp_path / "out", reference(tmp_path / "reference")).iterdir():
        assert findings(file) == []


@pytest.mark.parametrize("reference", [ct_reference, pet_reference])
@pytest.mark.parametrize(
    "tags",
    [
        dict.fromkeys(PATIENT),
        {"BodyPartExamined": "EXTREMITY"},
        {"StudyID": "a study of more letters"},
        {"DecayCorrection": None, "SeriesType": ["GATED", "IMAGE"]},
    ],
    ids=["stripped", "paired body part", "long study id", "gated"],
)
def test_objects_from_poor_references(tmp_path, reference, tags):
    written = write_dicom(synthetic(), tmp_path / "out", reference(tmp_path / "reference", **tags))
    assert findings(written / "0002.dcm") == []


def test_the_validator_detects_errors(tmp_path):
    file = next(pet_reference(tmp_path / "reference", CorrectedImage=None).iterdir())
    assert [line for line in findings(file) if "<CorrectedImage>" in line]
