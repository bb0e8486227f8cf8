"""MedSynthTrain: training of models that synthesize medical images, from cases in the scene or in folders.

Slicer imports this file when it starts, and looks for panel and logic when they are first needed; until then their
libraries are not loaded.
"""

import slicer

# First: it makes the shared library importable where Slicer knows the folder of this module only.
import MedSynthTrainLib  # noqa: F401 # isort: skip
from MedSynthLib.later import attributesLater
from MedSynthTrainLib.startup import onStartup
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest

# Panel, logic and parameters.
__getattr__ = attributesLater(
    __name__,
    {
        "MedSynthTrainWidget": "MedSynthTrainLib.widget",
        "MedSynthTrainLogic": "MedSynthTrainLib.console",
        "MedSynthTrainParameterNode": "MedSynthTrainLib.console",
    },
)


class MedSynthTrain(ScriptedLoadableModule):
    """Describes the module to Slicer."""

    def __init__(self, parent) -> None:
        super().__init__(parent)
        self.parent.title = _("MedSynth Train")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        self.parent.dependencies = []
        self.parent.contributors = ["MedSynth contributors"]
        self.parent.helpText = _(
            "Trains models for the module MedSynth: builds a data set of pairs from the scene or from folders, trains "
            "in a separate process that goes on when Slicer is closed, and publishes the model as a package. Models "
            "that are made here are for research, not for diagnosis."
        )
        self.parent.acknowledgementText = _("Networks and training are built on PyTorch and MONAI.")
        slicer.app.connect("startupCompleted()", onStartup)


class MedSynthTrainTest(ScriptedLoadableModuleTest):
    """The self-test that Slicer runs: the presets are valid recipes, and their numbers can be changed in the text."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear(0)

    def runTest(self) -> None:
        """Run the tests, as the button Reload and Test does."""
        self.setUp()
        self.test_Presets()

    def test_Presets(self) -> None:
        """Read every preset, change it, and read it again, if the packages for it are installed."""
        from MedSynthLib import dependencies
        from MedSynthTrainLib.recipe_text import parsedRecipe, presets, withValue

        if not dependencies.ready():  # as on the machines that build extensions
            self.delayDisplay(_("Skipped: press Install in the module first."))
            return
        self.assertTrue(presets())
        for path in presets().values():
            changed = parsedRecipe(withValue(path.read_text(encoding="utf-8"), 3, "epochs"))
            self.assertEqual(changed.epochs, 3)
