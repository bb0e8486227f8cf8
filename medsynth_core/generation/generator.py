"""A generator of images of several modalities, loaded from its package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from medsynth_core.compute.device import choose_device
from medsynth_core.errors import MedSynthError
from medsynth_core.generation.anatomy import Anatomy
from medsynth_core.generation.available import is_generator
from medsynth_core.models.card import GenerationCard
from medsynth_core.models.library import load_model
from medsynth_core.models.package import Model
from medsynth_core.models.records import LESIONS, PATIENTS, SMALL_PICTURES, read_records
from medsynth_core.preparation.contract import GenerationContract
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.structure.fusion import NOISE
from medsynth_core.structure.quality import unlike
from medsynth_core.systems.multimodal_input import generator_input
from medsynth_core.systems.multimodal_settings import MultimodalSettings

if TYPE_CHECKING:
    import torch
    from torch import nn

# Slices that are drawn at once. The result may depend on it in the last digits, so it is always the same.
_AT_ONCE = 4
# The network takes sides that are multiples of this.
MULTIPLE = 8


@dataclass(frozen=True, eq=False)
class Generator:
    """A model of the system ``multimodal``.

    Attributes:
        model: its package.
        settings: recipe of its training.
        network: its network, on `device`.
        device: where it computes.
        records: what the package keeps of the training data (`medsynth_core.models.records`).
    """

    model: Model
    settings: MultimodalSettings
    network: nn.Module
    device: torch.device
    records: Mapping[str, np.ndarray]

    @classmethod
    def load(cls, name: str | Path, device: str = "auto") -> Generator:
        """Return the generator of a model in the library or in a package folder.

        Raises:
            MedSynthError: there is no such model, it does not generate grey images of several modalities, its package
                is damaged, or there is no such device.
        """
        model = load_model(name)
        settings = _settings(model)
        if any(side.colours for side in settings.contract.outputs.values()):
            raise MedSynthError(
                f"The model '{model.name}' draws images in colour, which volumes do not have; choose one that draws "
                "grey images.",
                kind="model",
            )
        if settings.classes:
            raise MedSynthError(
                f"The model '{model.name}' draws images of a class ({', '.join(settings.classes)}), for which there is "
                "no data set yet; choose one that draws lesions.",
                kind="model",
            )
        chosen = choose_device(device)
        return cls(model, settings, model.network().to(chosen), chosen, read_records(model))

    @property
    def contract(self) -> GenerationContract:
        """The contract of the model."""
        return self.settings.generation

    @property
    def modalities(self) -> tuple[str, ...]:
        """Roles of the images that it draws."""
        return self.settings.modalities

    @property
    def draws_maps(self) -> bool:
        """Whether it can draw structure maps from noise."""
        return hasattr(self.network, "maps")

    @property
    def lesions(self) -> list[np.ndarray]:
        """Lesion labels of the training images, in frames of the model."""
        return [label for label in self.records.get(LESIONS, ()) if label.any()]

    @property
    def classes(self) -> int:
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
            for part in torch.from_numpy(codes.astype(np.float32)).split(_AT_ONCE):
                found.append(torch.cat(cast(Any, self.network).maps.draw(part.to(self.device)), dim=1).cpu().numpy())
        maps = np.concatenate(found) > 0
        return maps[:, 0], maps[:, 1]

    def oddity(self, measures: Mapping[str, float]) -> str:
        """Return which measure of a structure map is unlike those of training images; "" if none is."""
        return unlike(measures, cast(GenerationCard, self.model.card).ranges)

    def images(self, anatomy: Anatomy, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the images of all modalities, float32 (k, j, i) in their units, by role.

        Args:
            anatomy: structure map, organ and lesion label. Sides that are no multiple of 8 are padded, and cut again.
            random: source of the noise that fills the map (equation 12 of Qu's thesis), the same for all modalities.

        Raises:
            MedSynthError: an image is not finite.
        """
        import torch

        given = self._input(anatomy, random)
        made = {}
        for number, role in enumerate(self.modalities):
            with torch.inference_mode():
                parts = [self._drawn(part, number) for part in given.split(_AT_ONCE)]
            mapped = torch.cat(parts)[:, 0, : anatomy.shape[1], : anatomy.shape[2]].float().cpu().numpy()
            if not np.isfinite(mapped).all():
                raise MedSynthError(
                    f"The model '{self.model.name}' made an image that is not finite (NaN or infinite); do not use it.",
                    kind="model",
                )
            made[role] = self.contract.outputs[role].intensity.inverse(mapped).astype(np.float32)
        return made

    def _input(self, anatomy: Anatomy, random: np.random.Generator) -> torch.Tensor:
        import torch

        noise = random.uniform(*NOISE, size=anatomy.shape).astype(np.float32)
        four = [anatomy.lines, anatomy.organ, anatomy.label, noise]
        lines, organ, label, noisy = (torch.from_numpy(_padded(part.astype(np.float32)))[:, None] for part in four)
        return generator_input(self.settings, lines, organ, label, noisy).to(self.device)

    def _drawn(self, given: torch.Tensor, number: int) -> torch.Tensor:
        import torch

        if len(self.modalities) == 1:
            return self.network(given)
        return self.network(given, torch.full((len(given),), number, dtype=torch.long, device=self.device))


def _settings(model: Model) -> MultimodalSettings:
    refused = MedSynthError(
        f"The model '{model.name}' does not generate images of several modalities; choose one that was trained by the "
        "system multimodal.",
        kind="model",
    )
    if not is_generator(model):
        raise refused
    try:
        recipe = Recipe.model_validate(model.card.training.recipe)
    except ValueError as error:
        raise refused from error
    # What the card says of the network and of images holds, not what its recipe says.
    changes = {"contract": model.card.contract, "network": model.card.network}
    return cast(MultimodalSettings, recipe.model_copy(update=changes))


def _padded(part: np.ndarray) -> np.ndarray:
    rows, columns = (-side % MULTIPLE for side in part.shape[1:])
    return np.pad(part, ((0, 0), (0, rows), (0, columns)))
