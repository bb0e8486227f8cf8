"""Text of other people is shown as it is: square brackets are no markup, and terminals get no commands from it."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
from builders import phantom_ct, write_manifest

from medsynth_core import write_volume
from medsynth_core.cli import output
from medsynth_core.cli.app import run
from medsynth_core.resources import resource_folder
from medsynth_core.text import code, markdown, visible

BUNDLED = resource_folder() / "Models" / "ct-to-pet"
HOSTILE = "[/b] [old] [link=http://x]y[/link] \x1b]0;title\x07\x1b[2J\x1b[31mred\u202eder :smile:\r\n<b>x</b>"
SHOWN = r"[/b] [old] [link=http://x]y[/link] \x1b]0;title\x07\x1b[2J\x1b[31mred\u202eder :smile:\r\n<b>x</b>"


def command(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["medsynth", *map(str, words)])
    status = run()
    return status, capsys.readouterr()


def joined(text: str) -> str:
    """Return the cells of a table without its borders and line breaks."""
    return "".join(text.replace("│", "").split())


def column(table: str, number: int) -> str:
    """Return the cells of one column of a printed table, joined."""
    return "".join(line.strip("│").split("│")[number] for line in table.splitlines() if "│" in line)


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """A library with one model whose card holds `HOSTILE` wherever its author writes text."""
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "library"))
    package = shutil.copytree(BUNDLED, tmp_path / "library" / "mine")
    card = package / "configs" / "metadata.json"
    content = json.loads(card.read_text())
    content["medsynth"].update(name="mine", title=HOSTILE, limits=[HOSTILE], licence=HOSTILE, data_licence=HOSTILE)
    content["medsynth"]["comparison"][0]["method"] = HOSTILE
    content["medsynth"]["training"].update(command=HOSTILE)
    content.update(description=HOSTILE, intended_use=HOSTILE, references=[HOSTILE], authors=HOSTILE)
    card.write_text(json.dumps(content))
    return package


def test_visible_text_has_one_line_and_no_control_characters():
    assert visible(HOSTILE) == SHOWN
    every = "".join(map(chr, range(0x3000))) + "\ud800\udfff\ufeff"
    assert not {"\x1b", "\x07", "\n", "\r", "\x9b", "\u202e", "\u2066", "\ud800"} & set(visible(every))
    assert visible("Grüße 患者 α±β") == "Grüße 患者 α±β"


def test_a_list_of_models_shows_them_as_they_are(hostile, monkeypatch, capsys):
    status, shown = command(monkeypatch, capsys, "models", "list")
    assert status == 0 and "\x1b" not in shown.out
    assert joined(SHOWN) in joined(column(shown.out, -1))


def test_a_card_shows_its_text_as_it_is(hostile, monkeypatch, capsys):
    status, shown = command(monkeypatch, capsys, "models", "show", "mine")
    assert status == 0 and "\x1b" not in shown.out and "\u202e" not in shown.out
    assert joined(shown.out).count(joined(SHOWN)) >= 7, "title, description, limits, use, licences, method, command"


def test_a_case_keeps_its_brackets(tmp_path, monkeypatch, capsys):
    manifest = write_manifest(tmp_path)
    manifest.write_text(manifest.read_text().replace("P0", "scan [old]\x1b[31m", 1))

    status, shown = command(monkeypatch, capsys, "pairs", "split", manifest, "--output", tmp_path / "split.csv")
    assert status == 0 and r"scan [old]\x1b[31m" in shown.out and "\x1b" not in shown.out


def test_errors_and_usage_show_paths_as_they_are(tmp_path, monkeypatch, capsys):
    path = tmp_path / "a[red]\x1b[31m.nii.gz"
    status, shown = command(monkeypatch, capsys, "synthesize", path, tmp_path / "o.nii.gz", "--model", "ct-to-pet")
    assert status == 2 and r"a[red]\x1b[31m.nii.gz" in shown.err and "\x1b" not in shown.err
    status, shown = command(monkeypatch, capsys, "synthesize", "a", "b", "--\x1b[31m[/b]")
    assert status == 2 and r"--\x1b[31m[/b]" in shown.err and "\x1b" not in shown.err
    status, shown = command(monkeypatch, capsys, "suv", "a", "b", "--unit", "[/b]\x1b[31m", "c\x1b")
    assert status == 2 and "\x1b" not in shown.err


def test_progress_and_notices_show_names_as_they_are(capsys):
    with output.progress_bar(quiet=False) as progress:
        progress(0.5, f"Checking {HOSTILE}")
        progress.log(f"{HOSTILE} is skipped")
    shown = capsys.readouterr().err
    assert joined(SHOWN) in joined(shown)
    for sent in ("\x1b[31mred", "\x1b]0;", "\x07", "\u202e"):
        assert sent not in shown


def test_a_notice_is_printed_once(tmp_path, monkeypatch, capsys):
    write_volume(phantom_ct(), tmp_path / "ct.nii.gz")
    words = (tmp_path / "ct.nii.gz", tmp_path / "pet.nii.gz", "--model", "ct-to-pet", "--device", "cpu")
    status, shown = command(monkeypatch, capsys, "synthesize", *words)
    assert status == 0
    notices = json.loads((tmp_path / "pet.json").read_text())["log"]
    assert notices, "this input gives no notice"
    for notice in notices:
        assert joined(shown.out + shown.err).count(joined(notice)) == 1


@pytest.mark.parametrize(
    ("text", "as_markdown"),
    [
        ("a_b under_score 2.5 -0.3", "a_b under_score 2.5 -0.3"),
        ("_a_ *b* [c](d) <e> `f` |", r"\_a\_ \*b\* \[c\]\(d\) \<e\> \`f\` \|".replace(r"\(d\)", "(d)")),
        ("# head", r"\# head"),
        ("1. list", r"1\. list"),
        ("- list", r"\- list"),
        ("27.75 ± 1.16", "27.75 ± 1.16"),
        ("&lt; \\ $x$ ~y~", r"\&lt; \\ \$x\$ \~y\~"),
        ("\x1b[0m\n# second line", r"\\x1b\[0m\\n# second line"),
    ],
)
def test_text_in_markdown(text, as_markdown):
    assert markdown(text) == as_markdown


def test_code_in_markdown_cannot_be_left():
    assert code("a ` <b> `` c\x1b") == r"`a ' <b> '' c\x1b`"
