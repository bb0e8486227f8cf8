"""Slicer's own Python files, of any version, in place of their stand-ins and of those in the wheel of slicer-core."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import slicer

PACKAGE, SAMPLE_DATA = Path("Base", "Python", "slicer"), Path("Modules", "Scripted", "SampleData")
MODULES = ("util", "i18n", "ScriptedLoadableModule", "parameterNodeWrapper")
# Named as types of widgets that can be connected to parameters.
_WIDGET = re.compile(r"\b(ctk|slicer)\.((?:ctk|qMRML|qSlicer)\w+)")


def install(folder: Path) -> None:
    """Load Slicer's modules from a folder that has the files of its repository."""
    slicer.__path__.insert(0, str(folder / PACKAGE))
    _addWidgets(folder / PACKAGE / "parameterNodeWrapper")
    for name in [name for name in sys.modules if name.startswith("slicer.") and name.split(".")[1] in MODULES]:
        del sys.modules[name]
    for name in MODULES:
        setattr(slicer, name, importlib.import_module(f"slicer.{name}"))
    del sys.modules["SampleData"]
    sys.path.insert(0, str(folder / SAMPLE_DATA))
    importlib.import_module("SampleData")


def files() -> list[str]:
    """Return the files that have been loaded."""
    loaded = [sys.modules[f"slicer.{name}"] for name in MODULES] + [sys.modules["SampleData"]]
    return [module.__file__ for module in loaded]


def _addWidgets(package: Path) -> None:
    """Make the types of widgets that are only compared with those of a panel known; none can be made."""
    for file in package.glob("*.py"):
        for library, name in _WIDGET.findall(file.read_text(encoding="utf-8")):
            place = slicer if library == "slicer" else sys.modules["ctk"]
            if not hasattr(place, name):
                setattr(place, name, type(name, (), {"__init__": _cannotBeMade}))


def _cannotBeMade(widget) -> None:
    raise NotImplementedError(f"the test application has no {type(widget).__name__}")
