"""The panel of the module MedSynth with its logic."""

from MedSynthLib.console import MedSynthLogic
from MedSynthLib.synthesis_panel import SynthesisPanel


class MedSynthWidget(SynthesisPanel):
    """The panel, which Slicer looks for in the module's file; see `SynthesisPanel`."""

    def makeLogic(self) -> MedSynthLogic:
        """Return the logic that the panel works with."""
        return MedSynthLogic()
