"""A recipe that cannot be read is refused in one sentence, whatever is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from medsynth_core.errors import MedSynthError
from medsynth_core.io.yaml_file import parse_yaml, read_yaml
from medsynth_core.recipes.recipe import read_recipe
from medsynth_core.resources import resource_folder

PRESET = (resource_folder() / "Recipes" / "pix2pix.yaml").read_text(encoding="utf-8")
DAMAGED = Path(__file__).parents[4] / "shared" / "cases" / "damaged"
BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 64))

BROKEN = {
    "date": ("seed: 2020-13-01", "a value cannot be read"),
    "time": ("seed: 2020-01-01 25:00:00", "a value cannot be read"),
    "tagged date": ("seed: !!timestamp x", "a value cannot be read"),
    "tagged number": ("seed: !!int x", "a value cannot be read"),
    "empty number": ("seed: !!int ''", "a value cannot be read"),
    "float": ("seed: !!float x", "a value cannot be read"),
    "truth": ("seed: !!bool perhaps", "a value cannot be read"),
    "binary": ("seed: !!binary ä", "binary"),
    "huge": (f"seed: {'9' * 10_000}", "a value cannot be read"),
    "object": ("seed: !!python/object/apply:os.system [echo]", "could not determine a constructor"),
    "key twice": ("seed: 1\nseed: 2", "the key 'seed' is given twice"),
    "key of a list": ("[a]: 1", "hashable"),
    "deep list": ("[" * 20_000, "nested too deeply"),
    "deep map": ("\n".join(" " * n + "a:" for n in range(2000)), "nested too deeply"),
    "bomb": (BOMB, "aliases"),
    "circle": ("a: &a [*a]", "aliases"),
    "nul": ("a: \x00", "special characters are not allowed"),
    "tab": ("a:\n\t- b", "token"),
    "open": ("a: [b", "expected"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_text_that_cannot_be_built(name, tmp_path):
    text, words = BROKEN[name]
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(MedSynthError, match="recipe.yaml is not a YAML file: ") as refused:
        read_recipe(tmp_path / "recipe.yaml")
    assert words in refused.value.message and "\n" not in refused.value.message


@pytest.mark.parametrize("bytes_", [b"\xff\xfes\x00", b"a: \xe9", b"a: \xed\xa0\x80"])
def test_a_text_that_is_not_utf_8(bytes_, tmp_path):
    (tmp_path / "recipe.yaml").write_bytes(bytes_)
    with pytest.raises(MedSynthError, match="is not a YAML file"):
        read_recipe(tmp_path / "recipe.yaml")


def test_a_byte_order_mark_and_aliases_are_read(tmp_path):
    (tmp_path / "recipe.yaml").write_bytes(b"\xef\xbb\xbf" + PRESET.encode())
    assert read_recipe(tmp_path / "recipe.yaml") == read_recipe("pix2pix")
    assert parse_yaml("a: &side [1, 2]\nb: *side\nc: {<<: {x: 1}, x: 2}") == {"a": [1, 2], "b": [1, 2], "c": {"x": 2}}


@pytest.mark.parametrize("kind", ["missing", "folder", "dangling", "circle", "long", "file in between"])
def test_what_is_no_file(kind, tmp_path):
    path = tmp_path / ("n" * 300 if kind == "long" else "recipe.yaml")
    if kind == "folder":
        path.mkdir()
    elif kind in ("dangling", "circle"):
        path.symlink_to(path if kind == "circle" else tmp_path / "nowhere")
    elif kind == "file in between":
        path.write_text(PRESET)
        path /= "recipe.yaml"
    with pytest.raises(MedSynthError, match="cannot be read: "):
        read_recipe(path)


def test_the_damaged_recipes_that_were_found():
    files = sorted(DAMAGED.glob("recipe-*/*.yaml"))
    if not files:
        pytest.skip("the collected damaged files (../shared/cases) are not on this machine")
    for file in files:
        with pytest.raises(ValueError, match="a value cannot be read"):
            read_yaml(file)


@pytest.mark.parametrize("number", ["010", "-010", "1:30", "1:30.5", "0_7", "00"])
def test_numbers_that_people_read_otherwise_are_refused(number):
    with pytest.raises(ValueError, match="is not the number that it seems to be; write it without leading zeros"):
        parse_yaml(f"epochs: {number}")
    assert parse_yaml(f"epochs: '{number}'") == {"epochs": number}


def test_other_numbers_are_read():
    text = "[0, 10, -3, 1_000, 0x10, 0.5, -0.01, 1.0e-3, .inf, 0.0]"
    assert parse_yaml(text) == [0, 10, -3, 1000, 16, 0.5, -0.01, 0.001, float("inf"), 0.0]
