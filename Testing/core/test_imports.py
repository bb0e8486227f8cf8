"""The core's imports run from higher layers to lower ones only, without circles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "medsynth_core"
# From the lowest layer up. A room (a folder or a module) may import from lower layers, and from its own without a
# circle.
STOREYS = (
    {
        "errors",
        "failures",
        "interruption",
        "modality",
        "version",
        "progress",
        "resources",
        "text",
        "metrics",
        "networks",
        "losses",
    },
    {"volume", "grid", "compute", "io"},
    {"preparation", "figures", "registration", "simulation", "structure"},
    {"models", "evaluation", "applicability", "stored_data"},
    {"systems"},
    {"recipes", "datasets"},
    {"uncertainty"},
    {"inference", "generation"},
    {"training", "batches", "stress"},
    {"experiments", "worker", "cli"},
    {"__main__", "__init__"},
)
STOREY = {room: number for number, rooms in enumerate(STOREYS) for room in rooms}

Graph = dict[str, set[str]]


def modules(package: Path) -> dict[str, Path]:
    """Return every module below a package's folder by its dotted name, without the package's own."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        name = ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)
        found[name] = path
    return found


def imported(path: Path, name: str, known: set[str]) -> Iterator[str]:
    """Yield the modules of the package that a file imports, wherever the statement stands in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import; write the whole name"
            targets = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in targets:
            root, _, inside = target.partition(".")
            if root != "medsynth_core":
                continue
            # What is imported is a module, or a name in one.
            while inside and inside not in known:
                inside = inside.rpartition(".")[0]
            yield inside or "__init__"


def graph(package: Path) -> Graph:
    """Return which modules each module imports."""
    found = modules(package)
    return {name: set(imported(path, name, set(found))) - {name} for name, path in found.items()}


def room(module: str) -> str:
    return module.partition(".")[0]


def backward(edges: Graph) -> list[str]:
    """Return the imports that lead from a layer to a higher one."""
    return [
        f"{name} imports {target}"
        for name, targets in edges.items()
        for target in sorted(targets)
        if STOREY[room(target)] > STOREY[room(name)]
    ]


def circle(edges: Graph) -> list[str]:
    """Return the names along a circle, [] where there is none."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for target in sorted(edges.get(name, ())):
            found = visit(target, [*path, name])
            if found:
                return found
        done.add(name)
        return []

    return next((found for name in sorted(edges) if (found := visit(name, []))), [])


def rooms(edges: Graph) -> Graph:
    """Return which rooms each room imports."""
    found: Graph = {}
    for name, targets in edges.items():
        found.setdefault(room(name), set()).update(room(target) for target in targets)
    return {name: targets - {name} for name, targets in found.items()}


@pytest.fixture(scope="module")
def edges() -> Graph:
    return graph(PACKAGE)


def test_every_module_is_in_a_room_of_the_plan(edges: Graph) -> None:
    assert sorted({room(name) for name in edges} - STOREY.keys()) == []


def test_no_import_runs_backward(edges: Graph) -> None:
    assert backward(edges) == []


def test_no_circle_of_modules(edges: Graph) -> None:
    assert circle(edges) == []


def test_no_circle_of_rooms(edges: Graph) -> None:
    assert circle(rooms(edges)) == []


def test_what_the_test_looks_for_is_found(tmp_path: Path) -> None:
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "__init__.py").write_text("")
    (tmp_path / "systems" / "base.py").write_text("def late():\n    from medsynth_core.training.loop import Trainer\n")
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "__init__.py").write_text("")
    (tmp_path / "training" / "loop.py").write_text("from medsynth_core.systems import base\n")
    found = graph(tmp_path)
    assert backward(found) == ["systems.base imports training.loop"]
    assert circle(found) == ["systems.base", "training.loop", "systems.base"]
    assert circle(rooms(found)) == ["systems", "training", "systems"]
