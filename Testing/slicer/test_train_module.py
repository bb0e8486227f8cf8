"""The module loads fast, with nothing installed beside Slicer, and works from the console."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import application
import pytest
import slicer
from test_module_import import MEASURE
from train_helpers import addPhantoms, phantomPair, recipeText

from medsynth_core.errors import MedSynthError


def test_ImportIsFastAndLight():
    script = MEASURE.format(folder=str(Path(__file__).parent)).replace("import MedSynth\n", "import MedSynthTrain\n")
    script = script.replace("perf_counter", "process_time")  # what else this computer does shall not count
    seconds, heavy = [], set()
    for _ in range(3):
        output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        words = output.stdout.split()
        seconds.append(float(words[0]))
        heavy.update(words[1:])
    assert heavy == set()
    assert min(seconds) < 0.15


def test_DescribesItself():
    module = slicer.modules.medsynthtrain
    assert module.title == "MedSynth Train"
    assert module.categories == ["Image Synthesis"]
    assert module.dependencies == []
    assert "not for diagnosis" in module.helpText
    assert module.icon.availableSizes()[0].toTuple() == (128, 128)


def test_FilesOfTheModuleImportOnlyWhatSlicerHas():
    allowed = {"slicer", "qt", "vtk", "numpy", "MedSynthLib", "MedSynthTrainLib", "medsynth_core"}
    for path in (application.ROOT / "MedSynthTrain").rglob("*.py"):
        for statement in ast.parse(path.read_text()).body:
            names = [alias.name for alias in statement.names] if isinstance(statement, ast.Import) else []
            names += [statement.module] if isinstance(statement, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= allowed | set(sys.stdlib_module_names), path


def test_KnowsTheSharedLibraryFromItsOwnFolderAlone():
    """As when only this module's folder is among Slicer's additional module paths."""
    script = f"import sys; sys.path.insert(0, {str(application.ROOT / 'MedSynthTrain')!r})\n"
    script += "import MedSynthTrainLib, importlib.util as u; print(u.find_spec('MedSynthLib') is not None)"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert output.stdout.split() == ["True"]


def test_TheConsoleTrainsAndPublishes(tmp_path, monkeypatch):
    from MedSynthTrain import MedSynthTrainLogic

    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "library"))
    logic, recipe = MedSynthTrainLogic(), recipeText(epochs=2)
    data = logic.dataSet(tmp_path / "data")
    assert logic.addCase(data, logic.roles(recipe), *phantomPair(0)).name == "case-001"
    with pytest.raises(MedSynthError, match="1 case without a split"):
        logic.start(recipe, data, tmp_path / "run")
    data.remove(["case-001"])
    addPhantoms(data)
    seen = []
    package = logic.train(recipe, data, tmp_path / "run", "cpu", lambda fraction, message: seen.append(fraction))
    assert package == tmp_path / "run" / "tiny" and seen == sorted(seen)
    (run,) = logic.runs(tmp_path)
    assert run.state.value == "finished"
    with pytest.raises(MedSynthError, match="cannot be resumed"):
        run.resume()
    with pytest.raises(MedSynthError, match="not empty"):
        logic.start(recipe, data, tmp_path / "run")
    found = logic.publish(run)
    assert [row["case"] for row in found["cases"]] == ["P3"]
    assert logic.addToLibrary(found["package"]) == "tiny"
    with pytest.raises(MedSynthError, match="has a model 'tiny' already"):
        logic.addToLibrary(found["package"])
    assert logic.exportPackage(found["package"], tmp_path / "tiny.zip").is_file()
