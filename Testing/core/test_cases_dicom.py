"""DICOM and folder trees that were once read wrongly or refused, built by their own scripts, with the right values."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dicom_builder import write_series
from pydicom import dcmread

from medsynth_core import read_volume
from medsynth_core.cli.app import run
from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.io.dicom.derived.series_writing import write_dicom

CASES = Path(__file__).parents[2].parent / "shared" / "cases"


@pytest.fixture
def built(tmp_path, monkeypatch):
    """Return what makes the files of a case and returns their folder; without the case the test is skipped."""

    def build(name: str) -> Path:
        script = CASES / name / "make.py"
        if not script.is_file():
            pytest.skip(f"{script} is not there")
        (tmp_path / "bin").mkdir()
        command = tmp_path / "bin" / "medsynth"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m medsynth_core "$@"\n')
        command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "files")])
        monkeypatch.setattr(sys, "path", [*sys.path])
        spec = importlib.util.spec_from_file_location(f"case_{name[:2]}", script)
        assert spec is not None and spec.loader is not None
        with without_common(), contextlib.redirect_stdout(io.StringIO()):
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
        return tmp_path / "files"

    return build


@contextlib.contextmanager
def without_common() -> Iterator[None]:
    """Remove the module that the scripts share, whose name may also be another's."""
    try:
        yield
    finally:
        sys.modules.pop("common", None)


def test_04_the_corrected_pet_becomes_the_case(built):
    folder = built("04-study-with-nac")
    for study in ("nac_first", "nac_longer", "nac_propcnts"):
        made = folder / f"made_{study}"
        (case,) = read_manifest(made / "m.csv", ("ct", "pet"), unsplit=True)
        assert np.allclose(read_volume(case.files["pet"]).voxels, 1.0, atol=1e-6)


def test_04_the_log_names_the_series_that_is_used(built, tmp_path, monkeypatch, capsys):
    folder = built("04-study-with-nac")
    arguments = ["medsynth", "pairs", "build", str(folder / "nac_first"), str(tmp_path / "again" / "m.csv"), "--dicom"]
    (tmp_path / "again").mkdir()
    monkeypatch.setattr(sys, "argv", [*arguments, "--role", "ct=CT", "--role", "pet=PT"])
    assert run() == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "of 2 PT series, 'PET AC' with 6 slices is used, because it is the attenuation-corrected one" in told


def test_06_bids_and_nnunet_become_manifests(built):
    folder = built("06-bids-and-nnunet-trees")
    cases = read_manifest(folder / "bids.csv", ("ct", "mr"), unsplit=True)
    assert [(case.name, case.patient) for case in cases] == [
        (f"sub-{subject}-ses-{session}", f"sub-{subject}") for subject in ("01", "02") for session in ("1", "2")
    ]
    assert [case.name for case in read_manifest(folder / "nnunet.csv", ("ct", "mr"), unsplit=True)] == [
        f"case_{number:03d}" for number in range(3)
    ]


def test_09_a_series_time_that_two_tags_contradict_is_doubted(built):
    folder = built("09-ge-series-time")
    right = read_volume(folder / "100000", unit="SUVbw")
    assert np.allclose(right.voxels, 1.0) and right.metadata["suv"]["warnings"] == []
    for series, minutes in (("095000", 10), ("094000", 20)):
        volume = read_volume(folder / series, unit="SUVbw")
        (doubt,) = volume.metadata["suv"]["warnings"]
        assert f"{minutes}.0 minutes later by GE Scan DateTime" in doubt
        assert f"and {minutes}.0 minutes later by Acquisition Time (0008,0032) minus Frame Reference Time" in doubt
        assert f"{1 / volume.voxels.max() - 1:.1%} too low" in doubt


def test_12_late_windows_long_waits_and_midnight(built):
    folder = built("12-late-window")
    for name in ("late", "y90", "midnight"):
        volume = read_volume(folder / name, unit="SUVbw")
        assert np.allclose(volume.voxels, 1.0)
        # The code of the Y-90 is that of Y-86, which is rightly doubted.
        coded = ["Radionuclide Half Life (0018,1075) is 230400 s, but Y-86 has 53064 s."] if name == "y90" else []
        assert volume.metadata["suv"]["warnings"] == coded


@pytest.mark.parametrize(
    ("characters", "name"),
    [
        ("GB18030", "Wang^XiaoDong=王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        ("ISO_IR 100", "Buc^Jérôme"),
        (None, "Buc^Jerome"),
    ],
)
def test_18_names_in_other_characters_stay_readable(tmp_path, characters, name):
    tags = {"SpecificCharacterSet": characters, "PatientName": name, "StudyDescription": "Thorax"}
    files = write_series(tmp_path / "ct", **tags)
    source = dcmread(files[0])
    assert source.PatientName == name
    ct = read_volume(tmp_path / "ct")
    pet = ct.replace(voxels=np.ones(ct.shape, np.float32), modality="PT", unit="SUVbw")
    for path in write_dicom(pet, tmp_path / "out", tmp_path / "ct").iterdir():
        header = dcmread(path)
        assert header.PatientName == name and header.StudyDescription == "Thorax"
        assert header.get("SpecificCharacterSet") == source.get("SpecificCharacterSet")
