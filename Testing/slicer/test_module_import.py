"""Both modules load little, so fast, with nothing installed beside Slicer, and describe themselves."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import application
import pytest
import slicer

# What takes long is to load modules, of which each of these loads hundreds; a time would depend on the computer.
HEAVY = (
    "torch",
    "monai",
    "pydantic",
    "SimpleITK",
    "skimage",
    "scipy",
    "matplotlib",
    "pydicom",
    "psutil",
    "yaml",
    "PIL",
)
MEASURE = """
import sys
sys.path.insert(0, {folder!r})
import application
application.start()
for name in [name for name in sys.modules if name.split(".")[0] in {heavy!r}]:
    del sys.modules[name]  # the test application itself uses some
before = set(sys.modules)
import {module}
{more}
print(*sorted(set(sys.modules) - before))
"""
LIBRARIES = {"MedSynth": {"MedSynthLib"}, "MedSynthTrain": {"MedSynthLib", "MedSynthTrainLib"}}


@pytest.mark.parametrize(
    ("module", "more", "limit"),
    [
        ("MedSynth", "", 14),
        ("MedSynthTrain", "", 14),
        ("MedSynth", "MedSynth.MedSynthWidget", 90),
        ("MedSynthTrain", "MedSynthTrain.MedSynthTrainWidget", 140),
    ],
)
def test_ImportIsFastAndLight(module, more, limit):
    """At Slicer's start, and when a panel is opened first."""
    script = MEASURE.format(folder=str(Path(__file__).parent), module=module, heavy=HEAVY, more=more)
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = output.stdout.split()
    assert module in loaded and ("MedSynthLib.job" in loaded) is bool(more)
    assert [name for name in loaded if name.split(".")[0] in HEAVY] == []
    others = [name for name in loaded if not name.startswith(("MedSynth", "medsynth_core"))]
    assert len(loaded) < limit and len(others) < 30


def test_WhatAModuleLacksIsMissing():
    import MedSynth
    import MedSynthTrain

    for module in (MedSynth, MedSynthTrain):
        assert not hasattr(module, "SomethingElse")
        assert isinstance(getattr(module, f"{module.__name__}Logic"), type)


NOTHING_INSTALLED = """
import sys
sys.path.insert(0, {folder!r})
import application
application.start()
import importlib.metadata, tempfile
real = importlib.metadata.version

def version(name):
    if name in {missing!r}:
        raise importlib.metadata.PackageNotFoundError(name)
    return real(name)

importlib.metadata.version = version
for name in [name for name in sys.modules if name.split(".")[0] in {modules!r}]:
    del sys.modules[name]
sys.modules.update(dict.fromkeys({modules!r}))  # importing them fails
from pathlib import Path
folder = Path(tempfile.mkdtemp())
(folder / "run").mkdir()
for name in ("request.json", "run.lock"):
    (folder / "run" / name).touch()
for name in ("MedSynth", "MedSynthTrain"):
    module = application.loadModule(name)
    if name == "MedSynthTrain":
        from MedSynthTrainLib import settings
        settings.setRunsFolder(folder)
        from MedSynthTrainLib.startup import tellWhatRuns
        tellWhatRuns()
    panel = getattr(module, name + "Widget")()
    panel.enter()
    assert "Missing: PyTorch" in panel.ui.packagesLabel.text and panel.ui.installButton.enabled
    panel.ui.removeDataButton.click()
    assert "press Install first" in panel.ui.logTextEdit.plainText
    panel.exit()
    panel.cleanup()
print("loaded")
"""


def test_ModulesLoadWhereNothingIsInstalled(tmp_path):
    """As in a new Slicer: the panels open, and say what is missing."""
    from MedSynthLib import dependencies

    missing = [name for name, _minimum in (dependencies.TORCH, *dependencies.PACKAGES)]
    modules = [{"scikit-image": "skimage", "pillow": "PIL", "pyyaml": "yaml"}.get(name, name) for name in missing]
    script = NOTHING_INSTALLED.format(folder=str(Path(__file__).parent), missing=missing, modules=modules)
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert output.stdout.split() == ["loaded"], output.stderr


@pytest.mark.parametrize(("module", "title"), [("medsynth", "MedSynth"), ("medsynthtrain", "MedSynth Train")])
def test_DescribesItself(module, title):
    described = getattr(slicer.modules, module)
    assert described.title == title
    assert described.categories == ["Image Synthesis"]
    assert described.dependencies == []  # a missing extension must not hide the module
    assert "not for diagnosis" in described.helpText
    assert described.acknowledgementText and described.contributors  # as Slicer's generic module test asks for
    assert described.icon.availableSizes()[0].toTuple() == (128, 128)


@pytest.mark.parametrize("module", LIBRARIES)
def test_SlicerFindsItsClassesInTheFileOfTheModule(module):
    """Slicer's loader looks for them as attributes of the module; its file must be short enough to be read."""
    loaded = application.loadModule(module)
    for name in (module, f"{module}Widget", f"{module}Logic", f"{module}Test"):
        assert isinstance(getattr(loaded, name), type) and getattr(loaded, name).__name__ == name
    assert len((application.ROOT / module / f"{module}.py").read_text().splitlines()) < 250


@pytest.mark.parametrize("module", LIBRARIES)
def test_FilesOfTheModuleImportOnlyWhatSlicerHas(module):
    allowed = {"slicer", "qt", "vtk", "numpy", "medsynth_core"} | LIBRARIES[module] | set(sys.stdlib_module_names)
    for path in (application.ROOT / module).rglob("*.py"):
        if "Testing" in path.parts:
            continue
        for statement in ast.parse(path.read_text()).body:
            names = [alias.name for alias in statement.names] if isinstance(statement, ast.Import) else []
            names += [statement.module] if isinstance(statement, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= allowed, path


def test_MedSynthTrainFindsTheSharedLibraryFromItsOwnFolder():
    """As when only this module's folder is among Slicer's additional module paths."""
    script = f"import sys; sys.path.insert(0, {str(application.ROOT / 'MedSynthTrain')!r})\n"
    script += "import MedSynthTrainLib, importlib.util as u; print(u.find_spec('MedSynthLib') is not None)"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert output.stdout.split() == ["True"]
