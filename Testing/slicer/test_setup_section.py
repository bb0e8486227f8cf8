"""Setup: what is installed is shown, and only what is missing gets installed, under constraints."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import types

import application
import pytest
import slicer
from MedSynthLib import dependencies

from medsynth_core.errors import MedSynthError


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
    slicer.packaging.requested.clear()
    return pretended


def test_MinimaAgreeWithTheProject():
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 cannot read TOML")
    project = tomllib.loads((application.ROOT / "pyproject.toml").read_text())["project"]
    listed = {f"{name}>={minimum}" for name, minimum in (dependencies.TORCH, *dependencies.PACKAGES)}
    assert listed <= set(project["dependencies"])
    bySlicer = {name.split(">=")[0] for name in set(project["dependencies"]) - listed}
    assert bySlicer == {"SimpleITK", "pydicom", "numpy", "scipy"}


def test_NothingIsInstalledWhenAllIsThere(versions):
    dependencies.install()
    assert slicer.packaging.requested == []


def test_OnlyTheMissingIsInstalledAndTheRestIsHeld(versions):
    versions.update({"monai": "", "pydantic": "1.10", "numpy": "2.4.6"})
    dependencies.install()
    [(missing, constraints)] = slicer.packaging.requested
    assert missing == ["monai>=1.5", "pydantic>=2.6"]
    assert "numpy==2.4.6" in constraints
    assert {line.split("==")[0] for line in constraints} >= {"torch", "SimpleITK", "pydicom", "numpy"}


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


def test_DevicesOfThisComputerAreListed(panel):
    panel.enter()
    panel._setup.waitForDevices()
    names = [panel.ui.deviceComboBox.itemText(i) for i in range(panel.ui.deviceComboBox.count)]
    assert names[0] == "Automatic"
    assert any(name.startswith("CPU") for name in names)
    assert "CPU" in panel.ui.deviceLabel.text
