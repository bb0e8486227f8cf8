"""Medical image synthesis on the exact grid and in the units of its input.

Importing this package is fast: each public name loads its module when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from medsynth_core.version import __version__

_PUBLIC = {
    "Cancelled": "errors",
    "MedSynthError": "errors",
    "Progress": "progress",
    "Volume": "volume",
    "batch": "batches.run",
    "create_network": "networks.registry",
    "evaluate": "evaluation.report",
    "generate": "generation.data_set",
    "list_models": "models.library",
    "load_model": "models.library",
    "read_volume": "io.reading",
    "simulate_dose": "simulation.dose",
    "synthesize": "inference.synthesis",
    "train": "training.train",
    "write_dicom": "io.dicom.derived.series_writing",
    "write_volume": "io.writing",
}
__all__ = [
    "Cancelled",
    "MedSynthError",
    "Progress",
    "Volume",
    "__version__",
    "batch",
    "create_network",
    "evaluate",
    "generate",
    "list_models",
    "load_model",
    "read_volume",
    "simulate_dose",
    "synthesize",
    "train",
    "write_dicom",
    "write_volume",
]

if TYPE_CHECKING:
    from medsynth_core.batches.run import batch
    from medsynth_core.errors import Cancelled, MedSynthError
    from medsynth_core.evaluation.report import evaluate
    from medsynth_core.generation.data_set import generate
    from medsynth_core.inference.synthesis import synthesize
    from medsynth_core.io.dicom.derived.series_writing import write_dicom
    from medsynth_core.io.reading import read_volume
    from medsynth_core.io.writing import write_volume
    from medsynth_core.models.library import list_models, load_model
    from medsynth_core.networks.registry import create_network
    from medsynth_core.progress import Progress
    from medsynth_core.simulation.dose import simulate_dose
    from medsynth_core.training.train import train
    from medsynth_core.volume import Volume


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
