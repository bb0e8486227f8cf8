"""What the modules of MedSynth share: the bridge to MRML, the worker process, set-up and sample data.

Importing it also makes ``medsynth_core`` importable. In an installed extension it is beside the modules, but in a
source checkout Slicer knows only the folder of each module.
"""

import importlib.util
import sys
from pathlib import Path


def coreFolder() -> Path:
    """Return the folder that contains the package ``medsynth_core``.

    Raises:
        ModuleNotFoundError: the package is neither installed nor in the source checkout.
    """
    found = importlib.util.find_spec("medsynth_core")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("medsynth_core is missing; install the extension MedSynth again.")
    return Path(found.origin).resolve().parents[1]


def _makeCoreImportable() -> None:
    checkout = Path(__file__).resolve().parents[2]
    installed = importlib.util.find_spec("medsynth_core") is not None
    if not installed and (checkout / "medsynth_core" / "__init__.py").is_file():
        sys.path.append(str(checkout))


_makeCoreImportable()
