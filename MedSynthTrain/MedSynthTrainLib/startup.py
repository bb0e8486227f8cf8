"""What the module MedSynth Train does when Slicer has started, before its panel is opened."""

import slicer
from slicer.i18n import tr as _

from MedSynthTrainLib import settings
from MedSynthTrainLib.layout import describeLayout


def onStartup() -> None:
    """Describe the layout with the curves, which a scene may have, and tell which trainings are running."""
    describeLayout()
    tellWhatRuns()


def tellWhatRuns() -> None:
    """Show in the status bar which trainings of an earlier session are still running."""
    folder = settings.runsFolder()
    if not folder.is_dir():
        return
    # Slicer starts faster where nothing was trained.
    from medsynth_core.training.run_watch import RunWatch
    from MedSynthTrainLib.run import findRuns

    running = [run.name for run in findRuns(folder) if RunWatch(run).running()]
    if running:
        message = _("Still training: {names}. Open the module MedSynth Train to follow it.")
        slicer.util.showStatusMessage(message.format(names=", ".join(running)), 10_000)
