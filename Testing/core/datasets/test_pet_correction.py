"""Uncorrected PET among image files is named when their manifest is made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medsynth_core.datasets.folders import cases_from_folders
from medsynth_core.progress import Progress


def tree(root: Path, corrections: dict[str, str]) -> None:
    """Write a CT and a PET for each subject, with what the JSON of the PET states of attenuation correction."""
    for subject, (name, stated) in zip(("01", "02", "03"), corrections.items(), strict=False):
        for place in (
            f"sub-{subject}/ct/sub-{subject}_ct.nii.gz",
            f"sub-{subject}/pet/sub-{subject}_rec-{name}_pet.nii.gz",
        ):
            (root / place).parent.mkdir(parents=True)
            (root / place).touch()
        facts = {"Modality": "PT", "Units": "Bq/mL", "AttenuationCorrection": stated}
        (root / place.replace(".nii.gz", ".json")).write_text(json.dumps(facts))


def log(root: Path, role: str = "pet") -> list[str]:
    told: list[str] = []
    cases_from_folders(root, {"ct": "*_ct.nii.gz", role: "*_pet.nii.gz"}, progress=Progress(log=told.append))
    return told[1:]


@pytest.mark.parametrize("stated", ["none", "No attenuation correction", "NONE"])
def test_an_uncorrected_pet_beside_corrected_ones_is_named(tmp_path, stated):
    tree(tmp_path, {"a": "CT-based", "b": stated, "c": "MR-based"})
    (doubt,) = log(tmp_path)
    assert doubt.startswith("The file for 'pet' of sub-02 is PET without attenuation correction, according to the JSON")
    assert "unlike the others" in doubt


def test_the_name_of_the_reconstruction_counts_too(tmp_path):
    tree(tmp_path, {"acstat": "", "nacstat": "", "x": ""})
    (doubt,) = log(tmp_path)
    assert "of sub-02 is PET without attenuation correction" in doubt


def test_corrected_pet_and_a_role_for_uncorrected_pet_are_not_doubted(tmp_path):
    tree(tmp_path / "a", {"a": "CT-based", "b": "MR-based"})
    assert log(tmp_path / "a") == []
    tree(tmp_path / "b", {"a": "none", "b": "none"})
    assert log(tmp_path / "b", "nac") == []
