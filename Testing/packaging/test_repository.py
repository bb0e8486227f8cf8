"""Rules for the repository as a whole: size, line ends, licence."""

from __future__ import annotations

from pathlib import Path

import pytest
from extension import ROOT, check, run

MEGABYTE = 1_000_000
LARGEST_REPOSITORY = 40 * MEGABYTE
LARGEST_WEIGHTS = 30 * MEGABYTE


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """Return the files of the repository, those not yet added to it included."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a git checkout")
    listed = check(run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"))
    paths = {ROOT / name for name in listed.split("\0") if name}
    return sorted(path for path in paths if path.is_file())


def test_repository_stays_small(files: list[Path]) -> None:
    assert sum(path.stat().st_size for path in files) < LARGEST_REPOSITORY
    weights = [path for path in files if path.suffix == ".safetensors"]
    assert sum(path.stat().st_size for path in weights) < LARGEST_WEIGHTS


def test_text_has_unix_line_ends(files: list[Path]) -> None:
    contents = ((path, path.read_bytes()) for path in files)
    assert [str(path) for path, content in contents if b"\0" not in content and b"\r\n" in content] == []


def test_licence_is_plain_apache_2(files: list[Path]) -> None:
    licence = ROOT / "LICENSE"
    assert licence in files
    text = licence.read_text(encoding="ascii")
    assert text.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert "END OF TERMS AND CONDITIONS" in text
    assert "Copyright [yyyy] [name of copyright owner]" in text


def test_nothing_is_tracked_that_make_makes(files: list[Path]) -> None:
    made = {".venv", "build", "demo", "runs", "__pycache__"}
    assert [str(path) for path in files if made & set(path.relative_to(ROOT).parts)] == []
