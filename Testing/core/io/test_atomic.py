from __future__ import annotations

import os
import stat

import pytest
from io_helpers import full_disk, let_everybody_in, without_privileges

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import atomic_write, whole_folder


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "scores.json"
    target.write_text("old")
    with atomic_write(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
        assert temporary.parent == tmp_path
    assert target.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["scores.json"]


def test_a_failure_in_the_block_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "scores.json"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_write(target) as temporary:
        temporary.write_text("half of the n")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["scores.json"]


def test_a_full_disk_is_reported_and_leaves_no_file(tmp_path):
    with full_disk(), pytest.raises(MedSynthError, match=r"weights\.bin cannot be written: ") as refusal:  # noqa: SIM117
        with atomic_write(tmp_path / "weights.bin") as temporary:
            temporary.write_bytes(bytes(100_000))
    assert refusal.value.kind == "output"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["volume.nii.gz", "1.2.840.113619.2.55.nii.gz", f"{'x' * 240}.nii.gz"])
def test_the_temporary_name_ends_like_the_target(tmp_path, name):
    with atomic_write(tmp_path / name) as temporary:
        assert temporary.name.endswith(".nii.gz")
        temporary.write_bytes(b"content")
    assert (tmp_path / name).read_bytes() == b"content"


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    with atomic_write(tmp_path / "link.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


def test_a_missing_folder_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(MedSynthError, match="does not exist; create it first"), atomic_write(tmp_path / "no" / "f"):
        pytest.fail("the block must not run")


def test_a_folder_in_the_way_is_refused(tmp_path):
    with pytest.raises(MedSynthError, match="a folder with that name exists"), atomic_write(tmp_path):
        pytest.fail("the block must not run")


def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o555)
    let_everybody_in(tmp_path)
    with (
        without_privileges(),
        pytest.raises(MedSynthError, match="you have no permission to write to"),
        atomic_write(tmp_path / "f.txt"),
    ):
        pytest.fail("the block must not run")
    tmp_path.chmod(0o755)


def test_a_protected_file_is_not_overwritten(tmp_path):
    target = tmp_path / "kept.txt"
    target.write_text("precious")
    target.chmod(0o444)
    tmp_path.chmod(0o777)
    let_everybody_in(tmp_path)
    with (
        without_privileges(),
        pytest.raises(MedSynthError, match="write-protected"),
        atomic_write(target),
    ):
        pytest.fail("the block must not run")
    assert target.read_text() == "precious"


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660, 0o664, 0o755])
def test_a_replaced_file_keeps_its_permissions(tmp_path, mode):
    target = tmp_path / "weights.bin"
    target.write_text("old")
    target.chmod(mode)
    with atomic_write(target) as temporary:
        assert mode_of(temporary) == 0o600, "others could read it before it is complete"
        temporary.write_text("new")
    assert (target.read_text(), mode_of(target)) == ("new", mode)


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077, 0o002])
def test_a_new_file_and_a_new_folder_have_the_permissions_of_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / "new.txt") as temporary:
            temporary.write_text("new")
        with whole_folder(tmp_path / "series") as folder:
            (folder / "0001.dcm").write_text("new")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "new.txt") == mode_of(tmp_path / "series" / "0001.dcm") == 0o666 & ~umask
    assert mode_of(tmp_path / "series") == 0o777 & ~umask


def test_an_empty_folder_keeps_its_permissions(tmp_path):
    (tmp_path / "series").mkdir(mode=0o700)
    with whole_folder(tmp_path / "series") as folder:
        (folder / "0001.dcm").write_text("new")
    assert mode_of(tmp_path / "series") == 0o700


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("n" * 300, "File name too long"),
        ("ä" * 128, "File name too long"),
        ("file.txt/inside.txt", "Not a directory"),
        ("circle", "Too many levels of symbolic links"),
        ("pipe", "a device or a pipe"),
    ],
)
def test_a_place_that_no_file_can_have(name, words, tmp_path):
    (tmp_path / "file.txt").write_text("kept")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(MedSynthError, match=f"cannot be written: .*{words}"), atomic_write(tmp_path / name):
        pytest.fail("the refusal came too late")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("letter", ["a", "ä", "患", "𝔸"])
def test_the_longest_name_that_the_system_allows_is_written(letter, tmp_path):
    name = letter * ((255 - 7) // len(letter.encode())) + ".nii.gz"
    with atomic_write(tmp_path / name) as temporary:
        assert temporary.name.endswith(".nii.gz")
        temporary.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    import os

    (tmp_path / "P1").mkdir()
    (tmp_path / "P1" / "old").write_text("old")
    replace, calls = os.replace, []

    def locked(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise PermissionError("in use")
        replace(source, target)

    monkeypatch.setattr(os, "replace", locked)
    with pytest.raises(MedSynthError, match="cannot be written"), whole_folder(tmp_path / "P1", replace=True) as folder:
        (folder / "new").write_text("new")
    assert [path.name for path in tmp_path.rglob("*")] == ["P1", "old"]
    with whole_folder(tmp_path / "P1", replace=True) as folder:
        (folder / "new").write_text("new")
    assert [path.name for path in tmp_path.rglob("*")] == ["P1", "new"]
