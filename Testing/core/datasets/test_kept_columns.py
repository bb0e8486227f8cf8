"""A manifest that is written again keeps what its user has entered besides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medsynth_core.datasets.kept_columns import content_of, rewrite_manifest
from medsynth_core.datasets.manifest import Case, read_manifest
from medsynth_core.errors import MedSynthError


def test_other_columns_and_cells_are_kept(tmp_path):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("case,site,split,patient,ct,comment\nA,Bern,,A,a.nii.gz,'=odd\nB,,,,b.nii.gz,fine\n")
    cases = read_manifest(manifest, ("ct",), check_files=False, unsplit=True)
    changed = [replace(cases[0], split="train"), Case("C", "val", {"ct": tmp_path / "c.nii.gz"})]
    rewrite_manifest(changed, manifest)
    assert manifest.read_text() == (
        "case,site,split,patient,ct,comment\nA,Bern,train,A,a.nii.gz,'=odd\nC,,val,C,c.nii.gz,\n"
    )
    rewrite_manifest(changed[1:], manifest)
    assert manifest.read_text() == "case,site,split,patient,ct,comment\nC,,val,C,c.nii.gz,\n"
    assert list(tmp_path.iterdir()) == [manifest]


def test_classes_are_kept_and_can_be_changed(tmp_path):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("case,Class,ct\nA,viral,a.nii.gz\nB,normal,b.nii.gz\n")
    first, second = read_manifest(manifest, ("ct",), check_files=False, unsplit=True)
    rewrite_manifest([replace(first, split="val"), replace(second, label="viral", split="train")], manifest)
    assert manifest.read_text() == ("case,class,ct,split,patient\nA,viral,a.nii.gz,val,A\nB,viral,b.nii.gz,train,B\n")


@pytest.mark.parametrize(
    "text",
    [
        "case;split;ct;age\nA;;a.nii.gz;61\n",
        "Case , Split,ct,age\nA , ,a.nii.gz,61\n",
        "sep=;\ncase;split;ct;age\nA;;a.nii.gz;61\n",
    ],
)
def test_a_table_of_a_spreadsheet_program_keeps_its_columns(tmp_path, text):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(text)
    cases = read_manifest(manifest, ("ct",), check_files=False, unsplit=True)
    rewrite_manifest([replace(cases[0], split="val")], manifest)
    assert manifest.read_text() == "case,split,ct,age,patient\nA,val,a.nii.gz,61,A\n"


def test_a_manifest_that_does_not_exist_is_written(tmp_path):
    manifest = tmp_path / "manifest.csv"
    assert content_of(manifest) is None and content_of(tmp_path / "none" / "manifest.csv") is None
    rewrite_manifest([Case("A", "", {"ct": tmp_path / "a.nii.gz"})], manifest)
    assert content_of(manifest) == b"case,split,patient,ct\nA,,A,a.nii.gz\n"


def test_what_is_no_table_is_refused_and_kept(tmp_path):
    with pytest.raises(MedSynthError, match="cannot be read"):
        content_of(tmp_path)
    manifest = Path(tmp_path / "manifest.csv")
    manifest.write_bytes(b"case,ct\n\xff\xfe,a.nii.gz\n")
    with pytest.raises(MedSynthError, match="not a CSV in UTF-8"):
        rewrite_manifest([Case("A", "", {"ct": tmp_path / "a.nii.gz"})], manifest)
    assert manifest.read_bytes() == b"case,ct\n\xff\xfe,a.nii.gz\n" and list(tmp_path.iterdir()) == [manifest]
