"""MedSynth: synthesis of medical images from others, on the same grid and in real units.

Slicer imports this file when it starts, and looks for panel and logic when they are first needed; until then their
libraries are not loaded.
"""

from pathlib import Path

import slicer
import vtk
from MedSynthLib.later import attributesLater
from MedSynthLib.sample_data import SAMPLE_NAME, registerSampleCase
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest

# Panel, logic and parameters.
__getattr__ = attributesLater(
    __name__,
    {
        "MedSynthWidget": "MedSynthLib.widget",
        "MedSynthLogic": "MedSynthLib.console",
        "MedSynthParameterNode": "MedSynthLib.console",
    },
)


class MedSynth(ScriptedLoadableModule):
    """Describes the module to Slicer."""

    def __init__(self, parent) -> None:
        super().__init__(parent)
        self.parent.title = _("MedSynth")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        self.parent.dependencies = []
        self.parent.contributors = ["MedSynth contributors"]
        self.parent.helpText = _(
            "Synthesizes an image of one modality from another, for example a PET from a CT, on exactly the grid of "
            "the input and in real units. Synthetic images are for research, not for diagnosis."
        )
        self.parent.acknowledgementText = _(
            "Sample case: Soft-tissue-Sarcoma collection of The Cancer Imaging Archive (CC BY 3.0)."
        )
        slicer.app.connect("startupCompleted()", lambda: registerSampleCase(Path(parent.path).parent))


class MedSynthTest(ScriptedLoadableModuleTest):
    """The self-test that Slicer runs: synthesizes a PET from the sample CT, on its grid."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear(0)

    def runTest(self) -> None:
        """Run the tests, as the button Reload and Test does."""
        self.setUp()
        self.test_SampleCase()

    def test_SampleCase(self) -> None:
        """Synthesize a PET from the sample CT, if the packages for it are installed."""
        import SampleData
        from MedSynthLib import dependencies
        from MedSynthLib.console import MedSynthLogic

        if not dependencies.ready():  # as on the machines that build extensions
            self.delayDisplay(_("Skipped: press Install in the module MedSynth first."))
            return
        registerSampleCase(Path(__file__).parent)  # a test may run before the application has started up
        inputVolume = SampleData.downloadSamples(SAMPLE_NAME)[0]
        outputVolume = MedSynthLogic().synthesize(inputVolume)
        expected, found = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
        inputVolume.GetIJKToRASMatrix(expected)
        outputVolume.GetIJKToRASMatrix(found)
        self.assertTrue((slicer.util.arrayFromVTKMatrix(expected) == slicer.util.arrayFromVTKMatrix(found)).all())
        self.assertEqual(outputVolume.GetVoxelValueUnits().GetCodeValue(), "{SUVbw}g/ml")
