"""Location of the files bundled with MedSynth: models, recipes and the sample case."""

from __future__ import annotations

from pathlib import Path

from medsynth_core.errors import MedSynthError

INSTALLED = "bundled"
CHECKOUT = "Resources"
# Identifies the right folder: an installed Slicer extension has another folder Resources beside this package, with the
# icons and panels of its modules.
LANDMARK = "SampleCase"


def resource_folder() -> Path:
    """Return the folder with ``Models``, ``Recipes``, ``SampleCase`` and the other bundled folders.

    In an installed package (wheel or Slicer extension) it is ``medsynth_core/bundled``; in a source checkout or an
    editable install it is ``Resources`` beside the package.

    Raises:
        MedSynthError: the folder is missing because the installation is incomplete.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / INSTALLED, package.parent / CHECKOUT):
        if (folder / LANDMARK).is_dir():
            return folder
    raise MedSynthError(
        f"The models and the sample case of MedSynth are missing from {package / INSTALLED}; reinstall MedSynth.",
        kind="model",
    )
