"""The models that can be chosen, and whether a volume fits one."""

from medsynth_core.errors import MedSynthError
from MedSynthLib.volume_bridge import coreVolume


def availableModels() -> list:
    """Return a summary of each model in the library; none while the packages to read them are missing."""
    try:
        from medsynth_core.models.library import list_models
    except ImportError:  # missing, or too old
        return []
    return list_models()


def misfitsOf(volumeNode, model: str) -> list[str]:
    """Return a sentence for each reason why a volume node cannot be the model's input; [] if it can."""
    from medsynth_core.models.library import load_model

    try:
        return load_model(model).contract.misfits(coreVolume(volumeNode))
    except MedSynthError as problem:
        return [problem.message]
