"""The table of cases shows every verdict of the check, and images only if a recipe says what they are."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import qt
from MedSynthTrainLib.case_table import MARKS, STATE, TARGET, CaseTable

from medsynth_core.datasets.checks import State
from medsynth_core.datasets.manifest import Case

CASES = [Case(name, "train", {"ct": Path(f"{name}.nii.gz")}) for name in ("A", "B", "C")]


def test_EveryStateOfTheCheckHasAMark():
    assert tuple(MARKS) == get_args(State)


def test_StatesAndProblemsAreShown():
    widget = qt.QTableWidget()
    table = CaseTable(widget, lambda: None)
    checks = {name: {"state": state, "problems": [f"{state}!"]} for name, state in zip("AB", MARKS, strict=False)}
    table.show(CASES, ("ct",), checks)
    assert [widget.item(row, STATE).text() for row in range(3)] == ["✓ good", "? doubtful", "not checked"]
    assert widget.item(1, STATE).toolTip() == "doubtful!"
    assert widget.isColumnHidden(TARGET)
    table.show(CASES, ("ct", "pet"), checks)
    assert not widget.isColumnHidden(TARGET)


def test_TheSelectionSurvivesAnUpdate():
    widget, seen = qt.QTableWidget(), []
    table = CaseTable(widget, lambda: seen.append(table.selected()))
    table.show(CASES, ("ct", "pet"), {})
    widget.selectRow(1)
    assert table.selected() == ["B"] == seen[-1]
    table.show(CASES[1:], ("ct", "pet"), {})
    assert table.selected() == ["B"]
    table.close()
