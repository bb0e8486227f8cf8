"""A model package: a MONAI bundle whose weights are safetensors and whose network is built from our registry."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from medsynth_core.errors import MedSynthError
from medsynth_core.models.card import Card, Metadata, read_metadata
from medsynth_core.preparation.contract import Contract

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Model:
    """A model that can be run: its package's folder and metadata. Weights are read when the network is asked for."""

    path: Path
    metadata: Metadata

    @classmethod
    def open(cls, path: str | Path) -> Model:
        """Return the model in a package's folder.

        Raises:
            MedSynthError: not a package, or a card that is not valid.
        """
        return cls(Path(path), read_metadata(Path(path)))

    @property
    def card(self) -> Card:
        """MedSynth's part of the metadata."""
        return self.metadata.medsynth

    @property
    def name(self) -> str:
        """The name by which the model is called."""
        return self.card.name

    @property
    def contract(self) -> Contract:
        """What the model takes and gives."""
        return self.card.contract

    @cached_property
    def weights(self) -> Path:
        """File of the weights, after its SHA-256 was compared with the card's.

        Raises:
            MedSynthError: it is missing, damaged or changed.
        """
        path = self.path / self.card.weights.file
        try:
            found = sha256(path)
        except OSError as error:
            raise MedSynthError(
                f"The weights {path} of the model '{self.name}' cannot be read: {error.strerror}; get the "
                "package again.",
                kind="model",
            ) from error
        if found != self.card.weights.sha256:
            raise MedSynthError(
                f"The weights {path} are not those of the model '{self.name}': their SHA-256 differs from the "
                "card's, so the file is damaged or was changed; get the package again.",
                kind="model",
            )
        return path

    def network(self) -> nn.Module:
        """Return the network with its weights, float32, on the CPU, in evaluation mode.

        Raises:
            MedSynthError: weights are damaged or do not belong to the network of the card.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from medsynth_core.networks.registry import create_network

        network = create_network(self.card.network.name, **self.card.network.options)
        try:
            state = load_file(self.weights)
            network.load_state_dict(state)
        except (RuntimeError, SafetensorError) as error:
            raise MedSynthError(
                f"The weights of the model '{self.name}' do not fit the network '{self.card.network.name}' of its card "
                f"({self.path}); get the package again.",
                kind="model",
            ) from error
        return network.float().eval()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
