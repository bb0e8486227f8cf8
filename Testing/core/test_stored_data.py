"""What MedSynth keeps outside the user's own folders is found and removed; nothing else is."""

import json
import os
import shutil
import subprocess
import sys

import psutil
import pytest

from medsynth_core import stored_data
from medsynth_core.cli.app import run
from medsynth_core.errors import MedSynthError
from medsynth_core.resources import resource_folder
from medsynth_core.stored_data import check_readable, remove_stored, stored_items

BUNDLED = resource_folder() / "Models" / "ct-to-pet"


@pytest.fixture
def ended():
    """ID of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The user's library and the system's folder for temporary files, both of this test."""
    library, temporary = tmp_path / "home" / ".medsynth" / "models", tmp_path / "tmp"
    library.mkdir(parents=True)
    (temporary / "Slicer-me").mkdir(parents=True)
    monkeypatch.setenv("MEDSYNTH_MODELS", str(library))
    monkeypatch.setattr(stored_data.tempfile, "gettempdir", lambda: str(temporary))
    return library, temporary


def filled(folder):
    folder.mkdir(parents=True)
    (folder / "input.npy").write_bytes(bytes(1000))
    return folder


def test_models_and_leftovers_are_found_and_removed(places, ended, tmp_path):
    library, temporary = places
    shutil.copytree(BUNDLED, library / "mine")
    left = [
        filled(temporary / f"medsynth-{ended}-0123abcd"),
        filled(temporary / "Slicer-me" / f"medsynth-{ended}-0ab1c2d3"),
        filled(tmp_path / "elsewhere" / f"medsynth-{ended}-0ab1c2d3"),
        filled(library / f".import-{ended}-0123abcd"),
    ]
    found = stored_items([tmp_path / "elsewhere"])
    assert {(item.kind, item.path) for item in found} == {
        ("model", library / "mine"),
        *(("temporary", path) for path in left),
    }
    assert {item.size for item in found if item.kind == "temporary"} == {1000}
    remove_stored(found)
    assert stored_items([tmp_path / "elsewhere"]) == []
    assert not any(path.exists() for path in left)
    assert not library.parent.exists(), "the empty library stays"


def test_what_is_in_use_or_not_of_medsynth_stays(places, ended):
    library, temporary = places
    kept = [
        filled(temporary / f"medsynth-{os.getpid()}-0123abcd"),
        filled(temporary / "medsynth-work"),
        filled(temporary / "MedSynth-thesis01"),
        filled(temporary / f"other-{ended}-0123abcd"),
        filled(library / "photographs"),
    ]
    (temporary / f"medsynth-{ended}-00000000").symlink_to(kept[1])
    assert stored_items() == []
    remove_stored(stored_items())
    assert all((path / "input.npy").is_file() for path in kept)


def bundle_of_others(folder):
    """Write a MONAI bundle of somebody else, with data in it."""
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "metadata.json").write_text('{"version": "0.1", "medsynthetic": {}}')
    (folder / "patient.nii.gz").write_bytes(b"image")
    return folder


def test_bundles_of_others_in_the_library_stay(places):
    library, _ = places
    kept = [bundle_of_others(library / "spleen"), bundle_of_others(library / "odd"), library / "group" / "mine"]
    (kept[1] / "configs" / "metadata.json").write_text('{"medsynth": "mentioned"}')
    shutil.copytree(BUNDLED, kept[2])
    shutil.copytree(BUNDLED, library / "mine")
    found = stored_items()
    assert [item.path for item in found] == [library / "mine"]
    remove_stored(found)
    assert all(path.is_dir() for path in kept) and (kept[0] / "patient.nii.gz").is_file()


@pytest.mark.parametrize("file", ["recipe.yaml", "events.jsonl"])
def test_the_package_of_a_training_stays(places, file):
    library, _ = places
    shutil.copytree(BUNDLED, library / "mine")
    (library / "mine" / file).write_text("")
    assert stored_items() == []
    (library / "mine" / file).rename(library / file)
    assert [item.path for item in stored_items()] == [library / "mine"], "a stray file hides no model"
    for name in ("recipe.yaml", "events.jsonl"):
        (library / name).write_text("")
    assert stored_items() == []


@pytest.mark.parametrize("metadata", [None, "{", "[]"])
def test_a_model_with_lost_or_damaged_metadata_is_listed(places, metadata):
    library, _ = places
    shutil.copytree(BUNDLED, library / "mine")
    (library / "mine" / "configs" / "metadata.json").unlink()
    if metadata is not None:
        (library / "mine" / "configs" / "metadata.json").write_text(metadata)
    assert [item.path for item in stored_items()] == [library / "mine"] * (metadata != "[]")


def test_the_number_of_another_process_keeps_nothing(places, ended):
    """After a restart, numbers are used again: a process that began later did not make the folder."""
    library, temporary = places
    began = psutil.Process().create_time()
    left = [
        filled(temporary / f"medsynth-{os.getpid()}-00000001"),
        filled(library / f".import-{os.getpid()}-00000002"),
        filled(temporary / f"medsynth-{psutil.Process().ppid()}-00000003"),
    ]
    used = filled(temporary / f"medsynth-{os.getpid()}-00000004")
    for folder in left:
        os.utime(folder, (978307200, 978307200))  # 2001
    os.utime(used, (began - 1, began - 1))  # the start of a process is known to the second
    assert {item.path for item in stored_items()} == set(left)


@pytest.mark.parametrize("place", ["library", "temporary"])
def test_a_place_that_cannot_be_read_is_named_and_not_called_empty(place, places, ended, monkeypatch, capsys):
    library, temporary = places
    left = filled(temporary / f"medsynth-{ended}-0123abcd")
    locked = library if place == "library" else temporary / "Slicer-me"
    really = os.scandir

    def refuse(path="."):
        if str(path) == str(locked):
            raise PermissionError(13, "Permission denied", str(path))
        return really(path)

    monkeypatch.setattr(stored_data.os, "scandir", refuse)
    with pytest.raises(MedSynthError, match=f"keeps in {locked} is not known, because .*: Permission denied; make it"):
        check_readable()
    assert command(monkeypatch, "clean", "--yes") == 2
    shown = capsys.readouterr()
    assert not left.exists() and "keeps nothing" not in shown.out and "Permission denied" in shown.err
    assert command(monkeypatch, "clean") == 2
    assert "keeps nothing" not in capsys.readouterr().out
    assert command(monkeypatch, "clean", "--json") == 2


def test_the_library_may_be_a_file(places, monkeypatch, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "file"))
    assert command(monkeypatch, "clean") == 2
    assert f"{tmp_path / 'file'} is not known" in capsys.readouterr().err


def test_another_users_slicer_is_no_reason_to_complain(places, monkeypatch):
    _, temporary = places
    monkeypatch.setattr(stored_data, "_ours", lambda path: False)
    really = os.scandir
    theirs = temporary / "Slicer-me"

    def refuse(path="."):
        if str(path) == str(theirs):
            raise PermissionError(13, "Permission denied", str(path))
        return really(path)

    monkeypatch.setattr(stored_data.os, "scandir", refuse)
    check_readable()


def test_a_folder_that_cannot_be_removed_is_named_and_the_others_go(places, ended, monkeypatch):
    _, temporary = places
    stuck, free = (filled(temporary / f"medsynth-{ended}-0000000{number}") for number in (1, 2))
    found = stored_items()
    really = shutil.rmtree

    def refuse(path, *args, **options):
        if path == stuck:
            raise PermissionError(13, "Permission denied", str(path))
        really(path, *args, **options)

    monkeypatch.setattr(stored_data.shutil, "rmtree", refuse)
    with pytest.raises(MedSynthError, match="00000001: Permission denied"):
        remove_stored(found)
    assert stuck.exists() and not free.exists()


def command(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["medsynth", *words])
    return run()


def test_the_command_lists_first_and_removes_when_told(places, ended, monkeypatch, capsys):
    _, temporary = places
    left = filled(temporary / f"medsynth-{ended}-0123abcd")
    assert command(monkeypatch, "clean", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "removed": False,
        "items": [{"path": str(left), "kind": "temporary", "bytes": 1000}],
    }
    assert left.exists()
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115 - closed with the test
    assert command(monkeypatch, "clean") == 130, "no answer is no consent"
    assert left.exists() and str(left) in capsys.readouterr().out.replace("\n", "")
    assert command(monkeypatch, "clean", "--yes") == 0
    assert not left.exists()
    assert command(monkeypatch, "clean") == 0
    assert "keeps nothing" in capsys.readouterr().out
