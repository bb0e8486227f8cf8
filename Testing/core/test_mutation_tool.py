"""The tool that draws mutations changes one thing at a time, and what it lists by name still fits the code."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parents[1] / "mutation"
PACKAGE = Path(__file__).parents[2] / "medsynth_core"
SOURCE = '''"""A module of 3 lines."""
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def loss(a: Tensor, weight: float = 0.5, on: bool = True) -> Tensor:
    """Return 2 losses."""
    total = weight * (a - 1).abs().mean()
    if on and a.ndim > 2:
        total = total + a.detach().max()
    if not on:
        raise ValueError(f"{a} is 0 or 1")
    return total
'''
EXPECTED = {
    "0.5 -> 1.0",
    "0.5 -> 0.25",
    "True -> False",
    "1 -> 2",
    "1 -> 0",
    "2 -> 3",
    "2 -> 1",
    "a - 1 -> a + 1",
    "weight * (a - 1).abs().mean() -> weight / (a - 1).abs().mean()",
    "weight * (a - 1).abs().mean() -> weight",
    "(a - 1).abs().mean() -> (a - 1).abs().sum()",
    "(a - 1).abs() -> (a - 1).square()",
    "(a - 1).abs() -> (a - 1)",
    "a.ndim > 2 -> a.ndim >= 2",
    "on and a.ndim > 2 -> on or a.ndim > 2",
    "total + a.detach().max() -> total - a.detach().max()",
    "total + a.detach().max() -> total",
    "a.detach().max() -> a.detach().min()",
    "a.detach() -> a",
    "not on -> on",
    "total = total + a.detach().max() -> pass",
}


@pytest.fixture(scope="module")
def tool() -> dict[str, ModuleType]:
    """Return the modules of the tool, which are no part of a package."""
    sys.path.insert(0, str(TOOL))
    try:
        return {name: importlib.import_module(name) for name in ("mutants", "named", "equivalent")}
    finally:
        sys.path.remove(str(TOOL))


def test_a_mutation_changes_one_part_of_what_is_computed(tool, tmp_path):
    (tmp_path / "sample.py").write_text(SOURCE, encoding="utf-8")
    found = tool["mutants"].of_file(tmp_path / "sample.py", "sample.py")
    changes = {f"{one.before} -> {one.after}" for one in found}
    assert changes >= EXPECTED
    assert not [each for each in changes if "Return" in each or "module of" in each or "Tensor ->" in each]
    for one in found:
        assert one.is_valid(SOURCE.encode())
        changed = one.applied(SOURCE.encode()).decode()
        ast.parse(changed)
        assert changed != SOURCE and one.place == "loss" and one.line >= 8


def test_columns_are_counted_in_bytes(tool, tmp_path):
    (tmp_path / "sample.py").write_text('x = "…" if 3 else 1\n', encoding="utf-8")
    source = (tmp_path / "sample.py").read_bytes()
    after = {one.applied(source).decode() for one in tool["mutants"].of_file(tmp_path / "sample.py", "sample.py")}
    assert 'x = "…" if 4 else 1\n' in after


def test_the_named_mutations_still_fit(tool):
    assert len(tool["named"].NAMED) == 10
    for one in tool["named"].NAMED:
        source = (PACKAGE / one.file).read_text(encoding="utf-8")
        assert source.count(one.before) == 1, one.name
        ast.parse(source.replace(one.before, one.after))


def test_every_mutation_that_is_called_equivalent_can_be_drawn(tool):
    drawn = tool["mutants"].mutants(PACKAGE, ("networks", "losses", "systems"))
    keys = {(one.file, one.place, one.before, one.after) for one in drawn}
    assert set(tool["equivalent"].KNOWN) <= keys
    assert all(tool["equivalent"].KNOWN.values())
    excused = [one for one in drawn if tool["equivalent"].reason(one)]
    assert 0 < len(excused) < 0.05 * len(drawn)


def test_the_order_of_some_arguments_is_no_mistake_but_other_arguments_are(tool):
    same = tool["equivalent"].is_reordered
    assert same("max(min(a, b), 1)", "max(1, min(a, b))") and same("min(a, b)", "min(b, a)")
    assert same("mse_loss(made, maps)", "mse_loss(maps, made)") and not same("mse_loss(a, b)", "l1_loss(b, a)")
    assert not same("max(a, b)", "max(a, a)") and not same("max(a, b)", "min(b, a)")
    assert not same("max(a, b, key=f)", "max(b, a)") and not same("max(", "a")
    assert not same("clip(a, b)", "clip(b, a)") and not same("a.max(b, c)", "a.max(c, b)")
