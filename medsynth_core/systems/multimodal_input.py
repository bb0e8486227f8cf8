"""What a multi-modal generator draws from, and the images that it draws from the maps of a case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.preparation.frame import framed
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.structure.fusion import NOISE
from medsynth_core.systems.multimodal_settings import MultimodalSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

# Added to labels so that the absence of a lesion is not the value of padding, as in the author's code.
LABEL_OFFSET = 0.1


def generator_input(settings: MultimodalSettings, lines: Tensor, organ: Tensor, label: Tensor, noise: Tensor) -> Tensor:
    """Return what a generator draws from: (n, 1, h, w), with lesions (n, 2, h, w).

    The first channel is the structure map with noise in the organ (equation 12), or with the ablations the map or the
    noise alone, or 1 − the map; the second is the lesion label.
    """
    import torch

    filled = lines + noise * organ * (1 - lines) if settings.fuse else lines
    if settings.invert:
        filled = 1 - filled
    drawn = filled if settings.maps else noise
    return torch.cat([drawn, label + LABEL_OFFSET], dim=1) if settings.labelled else drawn


def drawn_from(network: nn.Module, settings: MultimodalSettings, number: int, case: TrainingCase) -> np.ndarray:
    """Return the images (k, j, i, channels) of a modality that are drawn from its own maps, always with one noise."""
    import torch

    role = settings.modalities[number]
    parts = [case.targets[f"{role}:{part}"] for part in ("structure", "organ", "lesion")]
    rows, columns = (side // 8 * 8 for side in parts[0].shape[1:])
    lines, organ, label = (torch.from_numpy(np.array(part[:, None, :rows, :columns])) for part in parts)
    if settings.classes:
        label = torch.full_like(label, case.labels["class"])
    noise = torch.empty(lines.shape).uniform_(*NOISE, generator=torch.Generator().manual_seed(0))
    given = generator_input(settings, lines, organ, label, noise)
    device = next(network.parameters()).device
    made = []
    with torch.no_grad():
        for part in given.split(8):
            wanted = torch.full((len(part),), number, dtype=torch.long, device=device)
            several = len(settings.modalities) > 1
            made.append(network(part.to(device), wanted) if several else network(part.to(device)))
    return torch.cat(made).movedim(1, -1).float().cpu().numpy()


def sets_of(
    network: nn.Module, settings: MultimodalSettings, number: int, cases: Sequence[TrainingCase]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return real images of a modality, and those that are drawn from their maps, in frames (n, h, w) by channel."""
    side, size = settings.contract.outputs[settings.modalities[number]], settings.generation.side
    names = list(channels_of({settings.modalities[number]: side}))
    present = [case for case in cases if len(case.targets[names[0]])]
    drawn = [drawn_from(network, settings, number, case) for case in present]
    nothing = np.zeros((0, size, size), dtype=np.float32)

    def joined(images: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([nothing, *(framed(some, size, side.empty) for some in images)])

    real = {name: joined([case.targets[name] for case in present]) for name in names}
    return real, {name: joined([images[..., channel] for images in drawn]) for channel, name in enumerate(names)}
