"""Structure maps from noise that all methods draw from, kept when the model that drew them is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.experiments.runs import made_otherwise
from medsynth_core.experiments.structure_generation.drawn_images import Anatomies
from medsynth_core.io.atomic import atomic_write, make_folder
from medsynth_core.models.package import Model
from medsynth_core.structure.quality import Range, map_measures, unlike
from medsynth_core.systems.structure_vaegan import drawn_maps

if TYPE_CHECKING:
    from torch import nn

# Maps that are drawn at once, and rounds for as many maps that are wanted before it is given up.
ROUND, MOST_ROUNDS = 64, 64


@dataclass(frozen=True, eq=False)
class KeptMaps:
    """Structure maps with the classes that are drawn from them.

    Attributes:
        anatomies: the maps.
        sha256: of the weights of the model that drew them.
    """

    anatomies: Anatomies
    sha256: str


def kept_maps(path: Path, kinds: np.ndarray, seed: int, model: Callable[[], Model]) -> KeptMaps:
    """Return structure maps from noise, as they were kept, or drawn now and kept.

    Args:
        path: file (.npz) in which they are kept.
        kinds: (n) number of the class of each.
        seed: of the noise.
        model: returns the model of structure maps; called only if the file is not there.

    Raises:
        MedSynthError: the file has maps of other classes or of another seed, or as `drawn_lines`.
    """
    if not path.is_file():
        drawing = model()
        lines, organs = drawn_lines(drawing.network(), len(kinds), seed)
        content: dict[str, Any] = {
            "lines": np.packbits(lines),
            "organs": np.packbits(organs),
            "kinds": kinds.astype(np.uint8),
            "facts": [str(seed), drawing.card.weights.sha256, str(lines.shape[-1])],
        }
        make_folder(path.parent)
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **content)
    with np.load(path) as stored:
        found, (own, sha256, size) = stored["kinds"], stored["facts"].tolist()
        if own != str(seed) or not np.array_equal(found, kinds):
            raise MedSynthError(made_otherwise(path, path))
        shape = (len(found), int(size), int(size))
        lines, organs = (_unpacked(stored[name], shape) for name in ("lines", "organs"))
    return KeptMaps(Anatomies(lines, organs, everywhere(found, int(size))), sha256)


def everywhere(kinds: np.ndarray, size: int) -> np.ndarray:
    """Return labels (n, size, size), uint8, that are the number of the class in every pixel."""
    return np.repeat(kinds.astype(np.uint8), size * size).reshape(-1, size, size)


def _unpacked(bits: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    return np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape) > 0


def drawn_lines(
    network: nn.Module, count: int, seed: int, ranges: Mapping[str, Range] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return structure maps and organs from noise: two boolean arrays (count, size, size).

    Args:
        network: generator of structure maps.
        count: number of maps.
        seed: of the noise; a longer series begins with the shorter one.
        ranges: of the measures of real maps, by which maps that are unlike them are left out; None leaves out only
            those without an organ.

    Raises:
        MedSynthError: too few maps are usable.
    """
    latent, found = int(network.latent), []  # type: ignore[arg-type]
    rounds = MOST_ROUNDS * (count // ROUND + 1)
    for number in range(rounds):
        lines, organs = drawn_maps(network, ROUND, latent, _seed_of(seed, number))
        found += [pair for pair in zip(lines, organs, strict=True) if _usable(*pair, ranges or {})]
        if len(found) >= count:
            return np.stack([pair[0] for pair in found[:count]]), np.stack([pair[1] for pair in found[:count]])
    raise MedSynthError(
        f"Only {len(found)} of {rounds * ROUND} structure maps from noise are like those of real images, but {count} "
        "are needed; train the model of structure maps for longer.",
        kind="model",
    )


def _seed_of(seed: int, number: int) -> int:
    """Return the seed of a round."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])


def _usable(lines: np.ndarray, organ: np.ndarray, ranges: Mapping[str, Range]) -> bool:
    return bool(organ.any()) and not unlike(map_measures(lines, organ), ranges)
