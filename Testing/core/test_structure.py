"""Sizes that keep the code readable: of files, of functions, and of their lists of parameters."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import typer

import medsynth_core

ROOT = Path(__file__).parents[2]
PRODUCT = ("medsynth_core", "MedSynth", "MedSynthTrain")
MODULES = ("MedSynth/MedSynth.py", "MedSynthTrain/MedSynthTrain.py")
LONGEST_MODULE = 250  # lines
LARGEST_FILE = 24_000  # bytes
MEDIAN_LENGTH, LENGTH_OF_NINE_IN_TEN = 8, 23  # lines
MOST_PARAMETERS = 6
# Inner functions that have more. May only become fewer.
KNOWN_LONGER = {
    "MedSynth/MedSynthLib/job.py:__init__",
    "MedSynth/MedSynthLib/linked_volumes.py:fillCompanion",
    "MedSynth/MedSynthLib/synthesis.py:__init__",
    "MedSynthTrain/MedSynthTrainLib/dataset_jobs.py:addVolumes",
    "MedSynthTrain/MedSynthTrainLib/dataset_jobs.py:buildPairs",
}


@dataclass(frozen=True)
class Function:
    """A function or method: its file below the root, the class it is in ("" for none), and its definition."""

    file: str
    owner: str
    node: ast.FunctionDef | ast.AsyncFunctionDef

    @property
    def lines(self) -> int:
        """Lines from ``def`` to the end, with docstring, comments and empty lines, without decorators."""
        return int(self.node.end_lineno or 0) - self.node.lineno + 1

    @property
    def parameters(self) -> int:
        """Parameters, ``*args`` and ``**kwargs`` one each, without ``self`` and ``cls``."""
        given = self.node.args
        named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        return sum(each.arg not in ("self", "cls") for each in named) + bool(given.vararg) + bool(given.kwarg)

    def __str__(self) -> str:
        return f"{self.file}:{self.node.name}"


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def functions_in(source: str, file: str) -> Iterator[Function]:
    """Yield every function, those inside classes and other functions too."""

    def visit(node: ast.AST, owner: str) -> Iterator[Function]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield Function(file, owner, child)
            yield from visit(child, child.name if isinstance(child, ast.ClassDef) else owner)

    yield from visit(ast.parse(source), "")


def functions(*folders: str) -> list[Function]:
    return [
        function
        for path in python_files(*folders)
        for function in functions_in(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
    ]


def places(called: Iterable[object]) -> set[tuple[str, str]]:
    """Return file below the root and name of functions, without those that no file defines (of dataclasses)."""
    codes = [inspect.unwrap(each).__code__ for each in called if inspect.isfunction(each)]
    paths = [(Path(code.co_filename), code.co_name) for code in codes]
    return {(path.relative_to(ROOT).as_posix(), name) for path, name in paths if path.is_relative_to(ROOT)}


def public() -> set[tuple[str, str]]:
    """Return what is called from outside by names that stay: Python's interface and the commands of the shell."""
    from medsynth_core.cli.app import app

    named = [getattr(medsynth_core, name) for name in medsynth_core.__all__]
    made = [each.__init__ for each in named if inspect.isclass(each)]
    apps: list[typer.Typer] = [app, *(group.typer_instance for group in app.registered_groups)]
    commands = [command.callback for each in apps for command in each.registered_commands]
    return places([*named, *made, *commands])


def is_public(function: Function, known: set[tuple[str, str]]) -> bool:
    """Tell whether a function's parameters are an interface.

    That are those of `medsynth_core.__all__`, of the commands, of networks (options of recipes and cards, through
    `create_network`), and of the methods of the logics of both modules, which Slicer's Python console calls.
    """
    network = function.file.startswith("medsynth_core/networks/") and function.node.name == "__init__"
    logic = function.owner.endswith("Logic") and not function.node.name.startswith("_")
    return (function.file, function.node.name) in known or network or logic


def longer(found: list[Function], known: set[tuple[str, str]]) -> set[str]:
    return {str(each) for each in found if each.parameters > MOST_PARAMETERS and not is_public(each, known)}


def test_no_file_is_too_large_to_be_read_at_once():
    sizes = {path.relative_to(ROOT).as_posix(): path.stat().st_size for path in python_files(*PRODUCT, "Testing")}
    assert {name: size for name, size in sizes.items() if size > LARGEST_FILE} == {}


@pytest.mark.parametrize("module", MODULES)
def test_the_modules_of_slicer_leave_their_work_to_their_libraries(module):
    lines = (ROOT / module).read_bytes().count(b"\n")
    assert lines < LONGEST_MODULE


def test_functions_of_the_core_are_short():
    lengths = [function.lines for function in functions("medsynth_core")]
    assert len(lengths) > 1000
    assert np.median(lengths) <= MEDIAN_LENGTH
    assert np.percentile(lengths, 90) <= LENGTH_OF_NINE_IN_TEN


def test_no_inner_function_has_more_than_six_parameters():
    assert longer(functions(*PRODUCT), public()) - KNOWN_LONGER == set()


def test_what_the_test_looks_for_is_found():
    source = '''
class Job:
    @property
    def name(self):
        """Return it."""
        return ""

    def run(self, a, b, *, c, d, e, **more):
        def inner(a, b, c, d, e, f, *g):
            pass

class ThingLogic:
    def run(self, a, b, c, d, e, f, g):
        pass

    def _run(self, a, b, c, d, e, f, g):
        pass
'''
    found = list(functions_in(source, "medsynth_core/x.py"))
    assert [(each.owner, each.node.name, each.lines, each.parameters) for each in found] == [
        ("Job", "name", 3, 0),
        ("Job", "run", 3, 6),
        ("Job", "inner", 2, 7),
        ("ThingLogic", "run", 2, 7),
        ("ThingLogic", "_run", 2, 7),
    ]
    assert longer(found, set()) == {"medsynth_core/x.py:inner", "medsynth_core/x.py:_run"}
    assert longer(found, {("medsynth_core/x.py", "inner")}) == {"medsynth_core/x.py:_run"}
    known = public()
    assert ("medsynth_core/inference/synthesis.py", "synthesize") in known
    assert ("medsynth_core/cli/synthesize_command.py", "synthesize") in known
