"""A generator of images, loaded from its package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from medsynth_core.compute.device import choose_device
from medsynth_core.generation.settings import (
    GeneratorSettings,
    draws_colours,
    draws_lesions,
    draws_maps,
    needs_map,
    settings_of,
)
from medsynth_core.models.card import GenerationCard
from medsynth_core.models.library import load_model
from medsynth_core.models.package import Model
from medsynth_core.models.records import LESIONS, PATIENTS, SMALL_PICTURES, read_records
from medsynth_core.preparation.contract import GenerationContract
from medsynth_core.structure.quality import unlike
from medsynth_core.systems.multimodal_settings import MultimodalSettings
from medsynth_core.systems.structure_source import StructureSource

if TYPE_CHECKING:
    import torch
    from torch import nn

# Slices that are drawn at once. The result may depend on it in the last digits, so it is always the same.
AT_ONCE = 4


@dataclass(frozen=True, eq=False)
class Generator:
    """A model of the system ``multimodal`` or ``unconditional``.

    Attributes:
        model: its package.
        settings: recipe of its training.
        network: its network, on `device`.
        device: where it computes.
        records: what the package keeps of the training data (`medsynth_core.models.records`).
    """

    model: Model
    settings: GeneratorSettings
    network: nn.Module
    device: torch.device
    records: Mapping[str, np.ndarray]

    @classmethod
    def load(cls, name: str | Path, device: str = "auto") -> Generator:
        """Return the generator of a model in the library or in a package folder.

        Raises:
            MedSynthError: there is no such model, it does not generate images, its package is damaged, or there is no
                such device.
        """
        model = load_model(name)
        settings, chosen = settings_of(model), choose_device(device)
        return cls(model, settings, model.network().to(chosen), chosen, read_records(model))

    @property
    def contract(self) -> GenerationContract:
        """The contract of the model."""
        return self.settings.generation

    @property
    def modalities(self) -> tuple[str, ...]:
        """Roles of the images that it draws."""
        return tuple(self.contract.outputs)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that it draws, in the order of their numbers; () if it has none."""
        return self.settings.classes

    @property
    def structures(self) -> tuple[StructureSource, ...]:
        """The different images whose structure maps it was trained with; () if it draws without maps."""
        if not isinstance(self.settings, MultimodalSettings):
            return ()
        return tuple({source.role: source for source in self.settings.structures.values()}.values())

    @property
    def needs_map(self) -> bool:
        """Whether it draws from a structure map, and not from noise alone."""
        return needs_map(self.settings)

    @property
    def draws_maps(self) -> bool:
        """Whether it can draw structure maps from noise."""
        return draws_maps(self.settings)

    @property
    def draws_lesions(self) -> bool:
        """Whether it draws from lesion labels."""
        return draws_lesions(self.settings)

    @property
    def draws_colours(self) -> bool:
        """Whether its images are in colour."""
        return draws_colours(self.settings)

    @property
    def lesions(self) -> list[np.ndarray]:
        """Lesion labels of the training images, in frames of the model."""
        return [label for label in self.records.get(LESIONS, ()) if label.any()]

    @property
    def lesion_kinds(self) -> int:
        """Largest value in the lesion labels that it was trained with; 1 if the package has none."""
        return max((int(label.max()) for label in self.lesions), default=1) or 1

    def training_pictures(self, role: str) -> np.ndarray | None:
        """Return small pictures (n, 16, 16) of the training images of a modality; None if the package has none."""
        found = self.records.get(f"{SMALL_PICTURES}{role}")
        return found if found is not None and len(found) > 1 else None

    def training_patients(self, role: str) -> np.ndarray | None:
        """Return the number of the patient (n) of each of these pictures; None if it is not known."""
        return self.records.get(f"{PATIENTS}{role}")

    def maps(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return structure maps and organs, boolean (n, size, size), of codes (n, latent), if it `draws_maps`."""
        import torch

        found = []
        with torch.inference_mode():
            for part in torch.from_numpy(codes.astype(np.float32)).split(AT_ONCE):
                found.append(torch.cat(cast(Any, self.network).maps.draw(part.to(self.device)), dim=1).cpu().numpy())
        maps = np.concatenate(found) > 0
        return maps[:, 0], maps[:, 1]

    def oddity(self, measures: Mapping[str, float]) -> str:
        """Return which measure of a structure map is unlike those of training images; "" if none is."""
        return unlike(measures, cast(GenerationCard, self.model.card).ranges)
