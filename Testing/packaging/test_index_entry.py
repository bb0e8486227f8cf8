"""The rules of Slicer's extension index, as its submission checks apply them, without a network."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from extension import ROOT

ENTRY = ROOT / "MedSynth.json"
LISTING = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
# The schema's properties and their types; the first three are required, and there are no others.
SCHEMA: dict[str, type] = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}
REQUIRED = {"$schema", "category", "scm_url"}
PICTURES = ("EXTENSION_ICONURL", "EXTENSION_SCREENSHOTURLS")


@pytest.fixture(scope="module")
def entry() -> dict[str, Any]:
    return json.loads(ENTRY.read_text(encoding="utf-8"))


def literal(variable: str) -> str:
    """Return what the top CMakeLists.txt sets a variable to, by the pattern that the index uses."""
    (value,) = re.findall(rf'set\s*\({variable}\s*"([^"]+)"\)', LISTING)
    return value


def test_entry_fits_the_schema(entry: dict[str, Any]) -> None:
    assert entry.keys() >= REQUIRED
    assert entry.keys() <= SCHEMA.keys()
    assert [key for key, value in entry.items() if not isinstance(value, SCHEMA[key])] == []
    assert all(isinstance(name, str) for name in entry["build_dependencies"])
    assert entry["scm_type"] in ("git", "local")
    assert entry["tier"] in (1, 2, 3, 4, 5)
    assert b"\r" not in ENTRY.read_bytes()


def test_repository_is_named_as_the_index_wants(entry: dict[str, Any]) -> None:
    address = urlsplit(entry["scm_url"])
    assert address.scheme == "https"
    assert Path(address.path).stem == f"Slicer{ENTRY.stem}"
    assert not ENTRY.stem.startswith("Slicer")


def test_entry_and_cmake_say_the_same(entry: dict[str, Any]) -> None:
    assert re.findall(r"project\s*\(\s*([^\s)]+)", LISTING)[0] == ENTRY.stem
    assert literal("EXTENSION_CATEGORY") == entry["category"] == "Image Synthesis"
    assert literal("EXTENSION_DEPENDS").split() == entry["build_dependencies"] == ["PyTorch"]
    assert literal("EXTENSION_HOMEPAGE") == entry["scm_url"].removesuffix(".git")


@pytest.mark.parametrize("variable", PICTURES)
def test_pictures_are_in_the_repository(variable: str, entry: dict[str, Any]) -> None:
    repository = urlsplit(entry["scm_url"]).path.removesuffix(".git")
    base = f"https://raw.githubusercontent.com{repository}/{entry['scm_revision']}/"
    for url in literal(variable).split():
        assert url.startswith(base)
        assert (ROOT / url.removeprefix(base)).read_bytes().startswith(b"\x89PNG")


def test_icon_has_the_recommended_size() -> None:
    icon = (ROOT / "MedSynth" / "Resources" / "Icons" / "MedSynth.png").read_bytes()
    assert struct.unpack(">II", icon[16:24]) == (128, 128)
