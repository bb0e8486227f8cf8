"""Names of cases never lead out of their folder, and never share one."""

from __future__ import annotations

import pytest
from builders import write_manifest

from medsynth_core.datasets.case_names import check_folder_names, folder_name_problem
from medsynth_core.datasets.register_cases import PairSettings, register_manifest
from medsynth_core.errors import MedSynthError

ESCAPES = [
    "..",
    ".",
    "../up",
    "a/b",
    "/abs",
    "a\\b",
    "..\\up",
    "C:",
    "C:up",
    "a:stream",
    "~",
    "~root",
    "-rf",
    ".hidden",
]
UNSHOWN = ["a\nb", "a\tb", "\x1b[2J", "a\x00b", "a\u202eb", "\ufeffa", "a\u2028b", "\ud800"]
WINDOWS = [
    "con",
    "NUL",
    "aux.txt",
    "com1",
    "LPT9.nii",
    "CONIN$",
    "com¹",
    "nul .x",
    "a.",
    "a ",
    "a<b",
    "a?",
    "a*",
    'a"b',
    "a|b",
]
LONG = ["x" * 121, "ä" * 61]


@pytest.mark.parametrize("name", [*ESCAPES, *UNSHOWN, *WINDOWS, *LONG, "", " ", " a"])
def test_a_name_that_is_refused(name):
    assert folder_name_problem(name)
    with pytest.raises(MedSynthError, match="cannot be used as a folder name: ") as refused:
        check_folder_names(["good", name])
    assert refused.value.message.isprintable()


@pytest.mark.parametrize(
    "name", ["P1", "007", "scan [old]", "Müller 2", "患者-1", "a.b", "a..b", "console", "com10", "x" * 120]
)
def test_a_name_that_is_accepted(name):
    assert folder_name_problem(name) == ""
    check_folder_names([name])


@pytest.mark.parametrize(
    ("one", "other"),
    [("p1", "P1"), ("é", "e\u0301"), ("straße", "STRASSE"), ("ﬁle", "file"), ("Å", "\u212b")],
)
def test_names_that_are_one_folder_elsewhere(one, other):
    with pytest.raises(MedSynthError, match="would have the same folder on some computers"):
        check_folder_names([one, "between", other])


@pytest.mark.parametrize("name", ["..", ".", "sub/..", "con", "a\\..\\b"])
def test_a_registration_writes_nothing_for_such_a_name(name, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    manifest = write_manifest(data)
    manifest.write_text(manifest.read_text().replace("P3", name))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(MedSynthError, match="cannot be used as a folder name"):
        register_manifest(manifest, PairSettings("ct", "pet"), tmp_path / "out")
    assert sorted(tmp_path.rglob("*")) == before
