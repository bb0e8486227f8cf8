"""Images that the methods draw: all of them from the same structure maps and lesions, or from the same noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from medsynth_core.compute.device import choose_device
from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.judges.judge import JudgeSettings
from medsynth_core.evaluation.judges.lesions import check_independent
from medsynth_core.experiments.scoring.image_set_scores import ImageSet
from medsynth_core.generation.from_noise import LATER_TRIES, TRIES, draw_anatomy
from medsynth_core.generation.generator import Generator
from medsynth_core.models.package import Model
from medsynth_core.preparation.contract import GenerationContract, Side
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.structure.fusion import NOISE
from medsynth_core.systems.multimodal import MultimodalSystem
from medsynth_core.systems.multimodal_input import generator_input
from medsynth_core.systems.multimodal_settings import MultimodalSettings
from medsynth_core.systems.unconditional import drawn_images
from medsynth_core.training.validation import Trained

if TYPE_CHECKING:
    from torch import nn

# Images that a network draws at once.
_AT_ONCE = 8
# Under which the scores of a method, not of one modality or class, are kept.
ALL = "all"


@dataclass(frozen=True, eq=False)
class Anatomies:
    """What images are drawn from: (n, size, size) each.

    Attributes:
        lines: structure maps, boolean.
        organs: boolean.
        labels: uint8: tumour labels, or everywhere the number of the image's class.
    """

    lines: np.ndarray
    organs: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def kinds(self) -> np.ndarray:
        """Largest label of each (n): the number of its class, where labels are classes."""
        return self.labels.max(axis=(1, 2))


def drawn_anatomies(
    generator: Generator, count: int, seed: int, progress: Progress, *, filtered: bool = False, inside: bool = True
) -> Anatomies:
    """Return structure maps from noise with tumours.

    Args:
        generator: the bundled generator, whose maps and tumour labels are taken.
        count: number of maps.
        seed: of all draws; a longer series begins with the shorter one.
        progress: reports.
        filtered: leave out maps that are unlike those of the training images.
        inside: place tumours inside the organ; otherwise a label of the training images lies where it lay there.
    """
    found, lesions = [], generator.lesions
    for number in range(count):
        progress(number / count, f"Structure map {number + 1} of {count}")
        random = np.random.default_rng((seed, number))
        # As for a generated data set: the first map shows whether maps are usable at all.
        tries = LATER_TRIES if number else TRIES
        anatomy = draw_anatomy(generator, random, 1, lesions if inside else (), filtered=filtered, tries=tries).anatomy
        label = anatomy.label[0] if inside else lesions[random.integers(len(lesions))]
        found.append((anatomy.lines[0], anatomy.organ[0], label.astype(np.uint8)))
    return Anatomies(*(np.stack(part) for part in zip(*found, strict=True)))


def drawn_set(model: Model, anatomies: Anatomies, sides: Mapping[str, Side], seed: int) -> ImageSet:
    """Return the images that a model draws, in colour (n, size, size, 3), and their labels if it draws tumours.

    Args:
        model: a generator of the system multimodal or unconditional.
        anatomies: what they are drawn from; of a generator from noise alone, their number and classes.
        sides: how the images of each modality become values from 0 to 1, the same for all models.
        seed: of the noise.
    """
    recipe = Recipe.model_validate(model.card.training.recipe)
    network = model.network()
    if isinstance(recipe, MultimodalSettings):
        mapped = _from_maps(network, recipe, anatomies, seed)
        labels = anatomies.labels if recipe.lesion else None
    else:
        mapped, labels = _from_noise(network, recipe, anatomies, seed), None
    images = {}
    for role, values in mapped.items():
        if not np.isfinite(values).all():
            raise MedSynthError(f"The model '{model.name}' made an image that is not finite; train it again.")
        # By way of its unit, because methods map values differently.
        inverted = recipe.contract.outputs[role].intensity.inverse(values)
        images[role] = sides[role].intensity.forward(inverted).astype(np.float32)
    return ImageSet(images, labels)


def _from_maps(
    network: nn.Module, settings: MultimodalSettings, anatomies: Anatomies, seed: int
) -> dict[str, np.ndarray]:
    """Return the network values of all modalities, drawn from maps with the same noise in each."""
    import torch

    random = np.random.default_rng(seed)
    noise = random.uniform(*NOISE, size=anatomies.lines.shape)
    four = (anatomies.lines, anatomies.organs, anatomies.labels, noise)
    lines, organs, labels, noisy = (torch.from_numpy(part.astype(np.float32))[:, None] for part in four)
    given = generator_input(settings, lines, organs, labels, noisy)
    count, parts = len(settings.modalities), []
    with torch.inference_mode():
        for part in given.split(_AT_ONCE):
            wanted = torch.arange(count).expand(len(part), -1)
            parts.append(network(part, wanted) if count > 1 else network(part)[:, None])
    made = torch.cat(parts).float().numpy()
    return {
        role: joined_channels(list(made[:, number].swapaxes(0, 1))) for number, role in enumerate(settings.modalities)
    }


def _from_noise(network: nn.Module, recipe: Recipe, anatomies: Anatomies, seed: int) -> dict[str, np.ndarray]:
    """Return the network values of all images that are drawn from noise and, if the network knows them, classes."""
    outputs = recipe.contract.outputs
    parts = drawn_images(network, cast(GenerationContract, recipe.contract).noise, anatomies.kinds.tolist(), seed)
    channels = (np.concatenate(channel) for channel in zip(*parts, strict=True))
    named = dict(zip(channels_of(outputs), channels, strict=True))
    return {
        role: joined_channels([named[name] for name in channels_of({role: side})]) for role, side in outputs.items()
    }


def joined_channels(channels: Sequence[np.ndarray]) -> np.ndarray:
    """Return images (n, size, size), of three channels in colour (n, size, size, 3)."""
    return channels[0] if len(channels) == 1 else np.stack(channels, axis=-1)


def check_judge(settings: JudgeSettings, recipe: Recipe) -> None:
    """Check that a judge is another network than the processor that a generator was trained against.

    Args:
        settings: of the judge.
        recipe: of the generator, with a processor.

    Raises:
        MedSynthError: seed or width are the same.
    """
    options: Mapping[str, Any] = getattr(recipe, "processor").options  # noqa: B009
    check_independent(settings, recipe.seed, int(options.get("channels", 64)))


def paired_score(model: Model, cases: Sequence[TrainingCase]) -> dict[str, float]:
    """Return the mean ``ms_ssim_paired`` over cases, of images from their maps; {} for a generator from noise alone."""
    recipe = Recipe.model_validate(model.card.training.recipe)
    if not isinstance(recipe, MultimodalSettings):
        return {}
    trained = Trained(model.network(), model.contract, choose_device("cpu"))
    found = [MultimodalSystem.validate(recipe, case, trained)["ms_ssim_paired"] for case in cases]
    return {"ms_ssim_paired": float(np.mean(found))}
