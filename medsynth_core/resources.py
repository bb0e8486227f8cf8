"""Where the files lie that come with MedSynth: models, recipes and the sample case."""

from __future__ import annotations

from pathlib import Path

from medsynth_core.errors import MedSynthError

INSTALLED = "bundled"
CHECKOUT = "Resources"
# Only the right folder has it: an installed Slicer extension also has a folder Resources beside this package,
# with the icons and panels of its modules.
LANDMARK = "SampleCase"


def resource_folder() -> Path:
    """Return the folder with ``Models``, ``Recipes`` and ``SampleCase``.

    An installed package (wheel or Slicer extension) carries it as ``medsynth_core/bundled``; a source checkout,
    also one installed as editable, has it as ``Resources`` beside the package.

    Raises:
        MedSynthError: there is no such folder; the installation is not whole.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / INSTALLED, package.parent / CHECKOUT):
        if (folder / LANDMARK).is_dir():
            return folder
    raise MedSynthError(
        f"The models and the sample case that come with MedSynth are missing in {package / INSTALLED}; "
        "install MedSynth again.",
        kind="model",
    )
