"""No string and no key of a card commands the terminal or adds markup to the card that is shown."""

from __future__ import annotations

import json
import re
import sys

import pytest
from markdown_it import MarkdownIt

from medsynth_core.cli.app import run
from medsynth_core.models.card import METADATA, read_metadata
from medsynth_core.models.markdown import card_text
from medsynth_core.resources import resource_folder

HOSTILE = "\x1b]0;OWNED\x07\x1b[2J **bold**\n\n# Approved\n\n[x](http://evil) ` <b>b</b> | ![y](z)"
MARKUP = "r` **FDA approved** `[x](http-evil) <b>b<b>"
CARD = read_metadata(resource_folder() / "Models" / "low-dose-pet").model_dump(mode="json")
CARD["medsynth"]["name"] = "mine"
# A card with two outputs, whose roles and units are in more places.
CARD["medsynth"]["contract"]["outputs"]["more"] = {**CARD["medsynth"]["contract"]["outputs"]["pet"], "unit": "1"}
CARD["changelog"]["9.9.9"] = "Another."


def places(content, place=()):
    """Yield the place of every string and every key of a card, without the recipe, of which the card shows little."""
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        if isinstance(content, dict):
            yield (*place, key), True
        if isinstance(value, dict | list) and (*place, key)[-2:] != ("network", "options") and key != "environment":
            yield from places(value, (*place, key))
        elif isinstance(value, str):
            yield (*place, key), False


def changed(content, place, text, is_key):
    """Return a copy of nested data with another string, or another key, at one place."""
    copy = dict(content) if isinstance(content, dict) else list(content)
    here, *rest = place
    if rest:
        copy[here] = changed(content[here], rest, text, is_key)
    elif is_key:
        copy = {text if key == here else key: value for key, value in content.items()}
    else:
        copy[here] = text
    return copy


def structure(text):
    """Return headings and marks of Markdown, without the text between them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    found = [token.content for number, token in enumerate(tokens) if tokens[number - 1].type == "heading_open"]
    inner = [part.type for token in tokens for part in token.children or () if part.type not in ("text", "softbreak")]
    return found[1:], [kind for kind in inner if kind != "code_inline"], inner.count("code_inline")


PLACES = [
    found
    for found in places(CARD)
    if found[0][:3] not in (("medsynth", "training", "recipe"), ("medsynth", "contract", "inputs"))
]


@pytest.mark.parametrize("hostile", [HOSTILE, MARKUP], ids=["commands", "markup"])
def test_no_string_and_no_key_of_a_card_is_more_than_text(hostile, tmp_path):
    (tmp_path / METADATA).parent.mkdir()
    (tmp_path / METADATA).write_text(json.dumps(CARD))
    expected = structure(card_text(read_metadata(tmp_path)))
    assert expected[0][0] == "Limits" and not expected[1]
    accepted = 0
    for place, is_key in PLACES:
        (tmp_path / METADATA).write_text(json.dumps(changed(CARD, place, hostile, is_key)))
        try:
            shown = card_text(read_metadata(tmp_path))
        except Exception as refused:  # a card that is not valid
            assert "not valid" in str(refused), (place, refused)
            continue
        accepted += 1
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown), place
        headings, marks, spans = structure(shown)
        assert set(headings) <= set(expected[0]) and marks == [], place
        assert spans <= expected[2], place
    assert accepted > 30


def test_versions_and_units_of_a_card_are_short_and_visible(tmp_path, monkeypatch, capsys):
    (tmp_path / METADATA).parent.mkdir()
    for place, is_key, text in (
        (("changelog", "1.0.0"), True, HOSTILE),
        (("medsynth", "contract", "outputs", "pet", "unit"), False, "SUV\x1b[2J"),
        (("medsynth", "contract", "outputs", "pet", "unit"), False, "S" * 65),
        (("medsynth", "contract", "outputs", "pet"), True, "r" * 65),
    ):
        (tmp_path / METADATA).write_text(json.dumps(changed(CARD, place, text, is_key)))
        monkeypatch.setattr(sys, "argv", ["medsynth", "models", "show", str(tmp_path)])
        assert run() == 2
        out = capsys.readouterr()
        assert "is not valid at" in out.err and "\x1b" not in out.err + out.out
