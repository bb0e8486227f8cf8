"""Setup shows what is installed, and installs only missing packages, under constraints."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import application
import pytest
import qt
import slicer
from MedSynthLib import dependencies, setup_section
from scene_helpers import closePanel

from medsynth_core.errors import Cancelled, MedSynthError


@pytest.fixture
def versions(monkeypatch):
    """Pretend that distributions have other versions ("" for missing); return the table to fill."""
    pretended: dict[str, str] = {}
    real = importlib.metadata.version

    def version(name: str) -> str:
        found = pretended[name] if name in pretended else real(name)
        if not found:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(importlib.metadata, "version", version)
    if hasattr(slicer, "packaging"):
        slicer.packaging.requested.clear()
    return pretended


def dependenciesAskedFor() -> list:
    """Return what Slicer was asked to install."""
    return slicer.packaging.requested if hasattr(slicer, "packaging") else []


def test_MinimaAgreeWithTheProject():
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 cannot read TOML")
    project = tomllib.loads((application.ROOT / "pyproject.toml").read_text())["project"]
    listed = {f"{name}>={minimum}" for name, minimum in (dependencies.TORCH, *dependencies.PACKAGES)}
    assert listed <= set(project["dependencies"])
    optional = {f"{name}>={minimum}" for name, minimum in dependencies.OPTIONAL}
    assert optional == set(project["optional-dependencies"]["fast"])
    bySlicer = {name.split(">=")[0] for name in set(project["dependencies"]) - listed}
    assert bySlicer == {"SimpleITK", "pydicom", "numpy", "scipy"}


def test_NothingIsInstalledWhenAllIsThere(versions):
    dependencies.install()
    assert dependenciesAskedFor() == []


@pytest.mark.skipif(application.VERSION == "5.10", reason="this Slicer has no slicer.packaging")
def test_OnlyTheMissingIsInstalledAndTheRestIsHeld(versions, monkeypatch):
    Boxes(monkeypatch, answer=True)
    versions.update({"monai": "", "pydantic": "1.10", "numpy": "2.4.6"})
    dependencies.install()
    [(missing, constraints)] = slicer.packaging.requested
    assert missing == ["monai>=1.5", "pydantic>=2.6"]
    assert "numpy==2.4.6" in constraints
    assert {line.split("==")[0] for line in constraints} >= {"torch", "SimpleITK", "pydicom", "numpy"}


@pytest.mark.parametrize("agrees", [True, False])
def test_OpenVINOIsOfferedAndNotNeeded(versions, panel, monkeypatch, agrees):
    boxes, called = Boxes(monkeypatch, answer=agrees), []
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    monkeypatch.setattr(slicer.util, "pip_install", called.append)
    versions["openvino"] = ""
    panel.enter()
    assert dependencies.ready() and panel.ui.setupCollapsibleButton.collapsed
    assert "Faster on the CPU: OpenVINO ≥ 2025.0" in panel.ui.packagesLabel.text
    panel.ui.installButton.click()
    assert boxes.questions == ["Synthesis on the CPU is faster with openvino>=2025.0. Install it now?"]
    assert [requirements[0] for requirements in called] == ["openvino>=2025.0"] * agrees
    assert boxes.errors == [] and dependencies.ready()


def test_WithoutThePyTorchExtensionTheWayOutIsTold(versions):
    versions["torch"] = ""
    with pytest.raises(MedSynthError, match="extension PyTorch, which is missing; install it with"):
        dependencies.install()


def test_TorchComesThroughThePyTorchExtension(versions, monkeypatch):
    asked = []

    class PyTorchUtilsLogic:
        def installTorch(self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None):
            asked.append((askConfirmation, torchVersionRequirement))
            versions["torch"] = "2.9.1+cpu"
            return types

    monkeypatch.setitem(sys.modules, "PyTorchUtils", types.SimpleNamespace(PyTorchUtilsLogic=PyTorchUtilsLogic))
    versions["torch"] = ""
    dependencies.install()
    assert asked == [(True, ">=2.8")]
    assert dependencies.ready()


def test_TorchThatCannotBeDownloadedIsToldInTheLog(versions, monkeypatch, panel):
    class PyTorchUtilsLogic:
        def installTorch(self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None):
            raise subprocess.CalledProcessError(1, "light_the_torch")

    monkeypatch.setitem(sys.modules, "PyTorchUtils", types.SimpleNamespace(PyTorchUtilsLogic=PyTorchUtilsLogic))
    versions["torch"] = ""
    panel.enter()
    panel.ui.installButton.click()
    assert "not installed: Command 'light_the_torch'" in panel.ui.logTextEdit.plainText


class Boxes:
    """Answers the questions and counts the boxes that people would see."""

    def __init__(self, monkeypatch, answer: bool) -> None:
        self.questions, self.errors = [], []
        self._answer = answer
        monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", self._ask)
        monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **_: self.errors.append(text))

    def _ask(self, text: str, **_options) -> bool:
        self.questions.append(text)
        return self._answer


@pytest.mark.parametrize("withPackaging", [True, False])  # Slicer 5.10 has no slicer.packaging
def test_CancelOfTheUsersIsNotAnswered(versions, panel, monkeypatch, withPackaging):
    if not withPackaging:
        monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    boxes = Boxes(monkeypatch, answer=False)
    versions["monai"] = ""
    panel.enter()
    panel.ui.installButton.click()
    [question] = boxes.questions
    assert "monai>=1.5" in question and boxes.errors == [] and dependenciesAskedFor() == []
    assert panel.ui.logTextEdit.plainText.splitlines() == ["Cancelled."]
    with pytest.raises(Cancelled):
        dependencies.install()


def test_WithoutSlicersPackagingPipIsCalledAfterTheQuestion(versions, monkeypatch):
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    boxes, called = Boxes(monkeypatch, answer=True), []
    monkeypatch.setattr(slicer.util, "pip_install", called.append)
    versions["monai"] = ""
    dependencies.install()
    [requirements] = called
    assert requirements[0] == "monai>=1.5" and requirements[1] == "-c" and len(boxes.questions) == 1


def test_CancelAtPyTorchIsNotAnswered(versions, panel, monkeypatch):
    class PyTorchUtilsLogic:
        def installTorch(self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None):
            return None  # the user has declined

    monkeypatch.setitem(sys.modules, "PyTorchUtils", types.SimpleNamespace(PyTorchUtilsLogic=PyTorchUtilsLogic))
    boxes = Boxes(monkeypatch, answer=True)
    versions["torch"] = ""
    panel.enter()
    panel.ui.installButton.click()
    assert boxes.errors == [] and panel.ui.logTextEdit.plainText.splitlines() == ["Cancelled."]


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Return a library with a model, beside a folder of a process that has ended and one of a process that runs."""
    from medsynth_core.models.card import METADATA

    library, temporary = tmp_path / "library", Path(slicer.app.temporaryPath)
    monkeypatch.setenv("MEDSYNTH_MODELS", str(library))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    places = [
        library / "mine",
        temporary / f"medsynth-{deadProcess()}-0a1b2c3d",
        temporary / f"medsynth-{os.getpid()}-ab",
    ]
    for place in places:
        (place / METADATA).parent.mkdir(parents=True)
        (place / METADATA).write_text('{"medsynth": {}}')
    yield places
    for place in places[1:]:
        shutil.rmtree(place, ignore_errors=True)


def deadProcess() -> int:
    """Return the ID of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("agrees", [True, False])
def test_StoredDataAreRemovedAfterAsking(stored, panel, monkeypatch, agrees):
    asked = []

    def confirm(text, detailedText="", **_options) -> bool:
        asked.append(detailedText)
        return agrees

    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", confirm)
    qt.QSettings().setValue("MedSynthTrain/recipe", "name: mine")
    panel.ui.removeDataButton.click()
    model, left, used = stored
    [places] = asked
    assert str(model) in places and str(left.resolve()) in places and str(used.resolve()) not in places
    assert model.exists() == left.exists() == (not agrees) and used.exists()
    assert qt.QSettings().contains("MedSynthTrain/recipe") == (not agrees)
    assert ("Removed: " in panel.ui.logTextEdit.plainText) == agrees


@pytest.mark.parametrize("module", ["MedSynth", "MedSynthTrain"])
def test_NoSettingIsLeftAfterStoredDataWereRemoved(stored, tmp_path, monkeypatch, module):
    from scene_helpers import closePanel
    from train_helpers import makePanel, recipeText

    from MedSynth import MedSynthWidget

    def ours() -> list[str]:
        return [key for key in qt.QSettings().allKeys() if key.startswith("MedSynth")]

    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_, **__: True)
    for key in ours():
        qt.QSettings().remove(key)
    training = makePanel(tmp_path)
    assert not qt.QSettings().contains("MedSynthTrain/recipe")  # nothing has been edited yet
    training._recipe.setText(recipeText())
    assert "MedSynthTrain/recipe" in ours()
    panel = training if module == "MedSynthTrain" else MedSynthWidget()
    panel.ui.removeDataButton.click()
    assert ours() == []
    panel.enter()
    panel.ui.installButton.click()
    training._recipe.check()
    assert ours() == []
    for one in {panel, training}:
        closePanel(one)
    assert ours() == []


def test_TooOldTorchIsNotReplacedSilently(versions):
    versions["torch"] = "2.2.2+cu121"
    with pytest.raises(MedSynthError, match="PyTorch 2.2.2.* is installed, but MedSynth needs 2.8"):
        dependencies.install()


def test_SectionFoldsWhenAllIsInstalled(panel):
    assert panel.ui.setupCollapsibleButton.collapsed
    assert not panel.ui.installButton.enabled
    assert "MONAI" in panel.ui.packagesLabel.text


def test_SectionSaysWhatIsMissing(versions, panel):
    versions["monai"] = ""
    panel.enter()
    assert not panel.ui.setupCollapsibleButton.collapsed
    assert panel.ui.installButton.enabled
    assert "Missing: MONAI ≥ 1.5" in panel.ui.packagesLabel.text
    versions.pop("monai")
    panel.ui.installButton.click()
    assert panel.ui.setupCollapsibleButton.collapsed


def test_FailureToInstallIsToldInTheLog(versions, panel):
    versions["torch"] = ""
    panel.enter()
    panel.ui.installButton.click()
    assert "Extensions Manager" in panel.ui.logTextEdit.plainText


@pytest.mark.slow
def test_DevicesOfThisComputerAreListed(panel):
    from MedSynthTrain import MedSynthTrainWidget

    setup_section._known.clear()
    panel.enter()
    panel._setup.waitForDevices()
    names = [panel.ui.deviceComboBox.itemText(i) for i in range(panel.ui.deviceComboBox.count)]
    assert names[0] == "Automatic"
    assert any(name.startswith("CPU") for name in names)
    assert "CPU" in panel.ui.deviceLabel.text
    # The next panel knows them.
    known = panel.ui.deviceLabel.text
    other = MedSynthTrainWidget()
    other.enter()
    assert other.ui.deviceLabel.text == known and other._setup._probe is None
    closePanel(other)


@pytest.mark.slow
def test_DevicesBelongToTheEnvironmentInWhichTheyWereAskedFor(panel, monkeypatch):
    setup_section._known.clear()
    asked = setup_section.startOf(setup_section.coreFolder())
    panel.enter()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # by a script, before the answer comes
    panel._setup.waitForDevices()
    assert [started for started, devices in setup_section._known] == [asked]
