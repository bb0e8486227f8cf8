from __future__ import annotations

import pytest
from io_helpers import full_disk, without_privileges

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import atomic_write


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


def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing(tmp_path):
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
    with pytest.raises(MedSynthError, match="there is a folder of that name"), atomic_write(tmp_path):
        pytest.fail("the block must not run")


def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o555)
    for parent in list(tmp_path.parents)[:2]:
        parent.chmod(0o755)
    with (
        without_privileges(),
        pytest.raises(MedSynthError, match="you may not write to the folder"),
        atomic_write(tmp_path / "f.txt"),
    ):
        pytest.fail("the block must not run")
    tmp_path.chmod(0o755)


def test_a_protected_file_is_not_overwritten(tmp_path):
    target = tmp_path / "kept.txt"
    target.write_text("precious")
    target.chmod(0o444)
    for parent in (tmp_path, *list(tmp_path.parents)[:2]):
        parent.chmod(0o777)
    with (
        without_privileges(),
        pytest.raises(MedSynthError, match="protected against writing"),
        atomic_write(target),
    ):
        pytest.fail("the block must not run")
    assert target.read_text() == "precious"
