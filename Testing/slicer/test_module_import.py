"""The module loads fast, and with nothing installed beside Slicer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MEASURE = """
import sys, time
sys.path.insert(0, {folder!r})
import application
application.start()
before = set(sys.modules)
start = time.perf_counter()
import MedSynth
seconds = time.perf_counter() - start
heavy = {{"torch", "monai", "pydantic", "SimpleITK", "skimage", "scipy", "matplotlib"}}
print(seconds, *sorted(heavy & (set(sys.modules) - before)))
"""


def test_ImportIsFastAndLight():
    script = MEASURE.format(folder=str(Path(__file__).parent))
    seconds, heavy = [], set()
    for _ in range(3):
        output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        words = output.stdout.split()
        seconds.append(float(words[0]))
        heavy.update(words[1:])
    assert heavy == set()
    assert min(seconds) < 0.1


def test_DescribesItself():
    import slicer

    module = slicer.modules.medsynth
    assert module.title == "MedSynth"
    assert module.categories == ["Image Synthesis"]
    assert module.dependencies == []  # a missing extension must not hide the module
    assert "not for diagnosis" in module.helpText
    assert module.icon.availableSizes()[0].toTuple() == (128, 128)


def test_FilesOfTheModuleImportOnlyWhatSlicerHas():
    import ast

    import application

    allowed = {"slicer", "qt", "vtk", "numpy", "MedSynthLib", "medsynth_core"} | set(sys.stdlib_module_names)
    for path in (application.ROOT / "MedSynth").rglob("*.py"):
        if "Testing" in path.parts:
            continue
        for statement in ast.parse(path.read_text()).body:
            names = [alias.name for alias in statement.names] if isinstance(statement, ast.Import) else []
            names += [statement.module] if isinstance(statement, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= allowed, path
