"""The panel of the module MedSynth Train with its logic."""

from MedSynthTrainLib.console import MedSynthTrainLogic
from MedSynthTrainLib.training_panel import TrainingPanel


class MedSynthTrainWidget(TrainingPanel):
    """The panel, which Slicer looks for in the module's file; see `TrainingPanel`."""

    def makeLogic(self) -> MedSynthTrainLogic:
        """Return the logic that the panel works with."""
        return MedSynthTrainLogic()
