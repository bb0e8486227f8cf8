"""What this computer remembers for the module: the folder of data and runs, the device, the recipe being written."""

from pathlib import Path

import qt
import slicer

FOLDER = "MedSynthTrain/runsFolder"
DEVICE = "MedSynthTrain/device"
RECIPE = "MedSynthTrain/recipe"
DEFAULT_NAME = "MedSynth training"


def runsFolder() -> Path:
    """Return the folder in which data set and runs lie; it may not exist yet."""
    documents = qt.QStandardPaths.writableLocation(qt.QStandardPaths.DocumentsLocation)
    return Path(slicer.util.settingsValue(FOLDER, "") or Path(documents) / DEFAULT_NAME)


def setRunsFolder(folder: str | Path) -> None:
    """Remember the folder in which data set and runs lie."""
    qt.QSettings().setValue(FOLDER, str(folder))
