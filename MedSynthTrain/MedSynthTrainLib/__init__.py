"""The parts of the module MedSynthTrain: data set, recipe, run and publishing, each with its section of the panel.

Importing it also makes ``MedSynthLib`` importable. In an installed extension it is beside this package, but for a
source checkout Slicer may know the folder of this module only.
"""

import importlib.util
import sys
from pathlib import Path


def _makeSharedLibraryImportable() -> None:
    neighbour = Path(__file__).resolve().parents[2] / "MedSynth"
    if importlib.util.find_spec("MedSynthLib") is None and (neighbour / "MedSynthLib").is_dir():
        sys.path.append(str(neighbour))


_makeSharedLibraryImportable()
