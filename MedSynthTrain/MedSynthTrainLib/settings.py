"""Application settings of the module: folder of data set and trainings, device, recipe being edited."""

from pathlib import Path

import qt
import slicer

FOLDER = "MedSynthTrain/runsFolder"
DEVICE = "MedSynthTrain/device"
RECIPE = "MedSynthTrain/recipe"
DEFAULT_NAME = "MedSynth training"


def runsFolder() -> Path:
    """Return the folder of the data set and the trainings; it may not exist yet."""
    documents = qt.QStandardPaths.writableLocation(qt.QStandardPaths.DocumentsLocation)
    return Path(slicer.util.settingsValue(FOLDER, "") or Path(documents) / DEFAULT_NAME)


def setRunsFolder(folder: str | Path) -> None:
    """Remember the folder of the data set and the trainings."""
    qt.QSettings().setValue(FOLDER, str(folder))
