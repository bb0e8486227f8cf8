"""The sample case is offered by Slicer's module Sample Data, without a network."""

from __future__ import annotations

import unittest
from pathlib import Path

import pytest
import SampleData
import slicer
from MedSynthLib.sample_data import CATEGORY, SAMPLE_NAME


def test_SampleCaseLoadsFromThisComputer():
    [source] = slicer.modules.sampleDataSources[CATEGORY]
    assert source.sampleName == SAMPLE_NAME
    assert all(uri.startswith("file://") for uri in source.uris)
    ct, pet, mr, lesion = SampleData.downloadSamples(SAMPLE_NAME)
    assert [node.GetName() for node in (ct, pet, mr, lesion)] == [
        "Sarcoma CT", "Sarcoma PET", "Sarcoma MR T1", "Sarcoma lesion",
    ]  # fmt: skip
    assert ct.GetImageData().GetDimensions() == (159, 155, 53)
    assert lesion.IsA("vtkMRMLSegmentationNode")


def test_ThumbnailHasTheSizeThatSampleDataAsksFor():
    from PySide6.QtGui import QImage

    [source] = slicer.modules.sampleDataSources[CATEGORY]
    assert Path(source.thumbnailFileName).is_file()
    assert QImage(source.thumbnailFileName).size().toTuple() == (260, 280)


@pytest.mark.slow
def test_SelfTestOfTheModuleRuns():
    from MedSynth import MedSynthTest

    MedSynthTest().runTest()


def test_SelfTestPassesWhereNothingIsInstalled(monkeypatch):
    """CTest in Slicer loads the test methods by name and never calls `runTest`."""
    from MedSynthLib import dependencies

    from MedSynth import MedSynthLogic, MedSynthTest

    def fail(*arguments, **options):
        raise AssertionError("nothing can be synthesized here")

    monkeypatch.setattr(dependencies, "ready", lambda: False)
    monkeypatch.setattr(MedSynthLogic, "synthesize", fail)
    result = unittest.TestResult()
    unittest.TestLoader().loadTestsFromTestCase(MedSynthTest).run(result)
    assert result.testsRun == 1 and result.wasSuccessful()


@pytest.mark.slow
def test_SelfTestRegistersTheSampleCaseItself(monkeypatch):
    from MedSynth import MedSynthTest

    monkeypatch.delattr(slicer.modules, "sampleDataSources")
    MedSynthTest().runTest()
