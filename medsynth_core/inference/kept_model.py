"""The model that a process used last, whose network stays in memory for the next job."""

from __future__ import annotations

from medsynth_core.inference.loaded_model import LoadedModel
from medsynth_core.models.library import load_model

_kept: list[LoadedModel] = []


def kept_model(name: str) -> LoadedModel:
    """Return a model with its network in memory: that which was used last, if the package has not changed since.

    Args:
        name: name in the library, or folder of a package.

    Raises:
        MedSynthError: as `load_model` and `LoadedModel.load`.
    """
    model = load_model(name)
    if _kept and (_kept[0].model.path, _kept[0].model.metadata) == (model.path, model.metadata):
        return _kept[0]
    # The network of another model makes room first.
    _kept.clear()
    _kept.append(LoadedModel.load(model))
    return _kept[0]
