"""A model package: a MONAI bundle with safetensors weights and a network from the registry."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.digest import sha256
from medsynth_core.models.card import GenerationCard, Metadata, SynthesisCard, read_metadata
from medsynth_core.models.weights import check_weights, loaded_network
from medsynth_core.preparation.contract import GenerationContract, SynthesisContract

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Model:
    """A model: its package folder and metadata. Weights are read only by `network`."""

    path: Path
    metadata: Metadata

    @classmethod
    def open(cls, path: str | Path) -> Model:
        """Return the model in a package folder.

        Raises:
            MedSynthError: the folder is not a package, or its card is not valid.
        """
        return cls(Path(path), read_metadata(Path(path)))

    @property
    def card(self) -> SynthesisCard | GenerationCard:
        """MedSynth's part of the metadata."""
        return self.metadata.medsynth

    @property
    def name(self) -> str:
        """The model's name in the library."""
        return self.card.name

    @property
    def contract(self) -> SynthesisContract | GenerationContract:
        """The model's contract: its inputs, outputs and preparation."""
        return self.card.contract

    @property
    def identity(self) -> str:
        """SHA-256 of what results depend on: weights, network, contract, and the errors in validation."""
        card = self.card.model_dump(mode="json")
        parts = {name: card.get(name) for name in ("network", "contract", "error_curve", "dose_error_curves")}
        content = {**parts, "weights": self.card.weights.sha256}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def synthesis(self) -> SynthesisCard:
        """The card of a synthesis model.

        Raises:
            MedSynthError: it is a generative model instead.
        """
        if not isinstance(self.card, SynthesisCard):
            raise MedSynthError(
                f"The model '{self.name}' is generative and takes no input image; choose a synthesis model.",
                kind="model",
            )
        return self.card

    @cached_property
    def weights(self) -> Path:
        """The weights file, after its SHA-256 has been compared with the card's.

        Raises:
            MedSynthError: the file is missing, damaged or changed.
        """
        path = self.path / self.card.weights.file
        try:
            found = sha256(path)
        except OSError as error:
            raise MedSynthError(
                f"The weights {path} of the model '{self.name}' cannot be read: {reason_of(error)}; download the "
                "package again.",
                kind="model",
            ) from error
        if found != self.card.weights.sha256:
            raise MedSynthError(
                f"The weights {path} are not those of the model '{self.name}': their SHA-256 differs from the "
                "card's, so the file is damaged or was changed; download the package again.",
                kind="model",
            )
        return path

    def network(self) -> nn.Module:
        """Return the network with its weights, float32, on the CPU, in evaluation mode.

        Raises:
            MedSynthError: the weights are damaged or not finite, or do not fit the network of the card; or as
                `onnx_network`.
        """
        from safetensors import SafetensorError

        if isinstance(self.card, SynthesisCard) and self.card.is_foreign:
            from medsynth_core.models.foreign.network import onnx_network

            return onnx_network(self.weights, self.card.contract, self.card.network.options)
        try:
            network = loaded_network(self.card.network.name, self.card.network.options, self.weights)
        except (RuntimeError, SafetensorError) as error:
            raise MedSynthError(
                f"The weights of the model '{self.name}' do not fit the network '{self.card.network.name}' of its card "
                f"({self.path}); download the package again.",
                kind="model",
            ) from error
        remedy = "do not use it, and download the package again"
        check_weights(network.state_dict(), f"the model '{self.name}'", remedy)
        return network
