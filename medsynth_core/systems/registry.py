"""Systems by their name in recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medsynth_core.systems.base import System
from medsynth_core.systems.cg3dsrgan import CG3DSRGANSystem
from medsynth_core.systems.cyclegan import CycleGANSystem
from medsynth_core.systems.dsggan import DSGGANSystem
from medsynth_core.systems.multimodal import MultimodalSystem
from medsynth_core.systems.paired import PairedSystem
from medsynth_core.systems.settings import SystemSettings
from medsynth_core.systems.structure_vaegan import StructureVAEGANSystem
from medsynth_core.systems.unconditional import UnconditionalSystem

if TYPE_CHECKING:
    from medsynth_core.systems.engine import Engine

SYSTEMS: dict[str, type[System[Any]]] = {
    "paired": PairedSystem,
    "dsggan": DSGGANSystem,
    "cyclegan": CycleGANSystem,
    "cg3dsrgan": CG3DSRGANSystem,
    "structure-vaegan": StructureVAEGANSystem,
    "multimodal": MultimodalSystem,
    "unconditional": UnconditionalSystem,
}


def create_system(name: str, settings: SystemSettings, engine: Engine) -> System[Any]:
    """Return a system with random weights that depend only on the seed of its settings.

    Raises:
        MedSynthError: its networks cannot be built or do not fit each other.
    """
    import torch

    torch.manual_seed(settings.seed)
    return SYSTEMS[name](settings, engine)  # type: ignore[call-arg]  # each builds its own networks
