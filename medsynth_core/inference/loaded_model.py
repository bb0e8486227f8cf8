"""A model whose network is in memory, for several syntheses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from medsynth_core.compute.device import choose_device
from medsynth_core.compute.openvino import cpu_backend
from medsynth_core.inference.backends import OpenVinoBackend
from medsynth_core.inference.predictor import AnyPredictor, create_predictor
from medsynth_core.models.library import load_model
from medsynth_core.models.package import Model

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A synthesis model and its network, which is read from the disk once.

    Only one synthesis at a time may run the network.

    Attributes:
        model: the model.
        network: its network, in evaluation mode.
    """

    model: Model
    network: nn.Module

    @classmethod
    def load(cls, model: str | Path | Model | LoadedModel) -> LoadedModel:
        """Return a model with its network in memory: ``model`` itself if it is one.

        Raises:
            MedSynthError: there is no such model, it is no synthesis model, or its package is damaged.
        """
        if isinstance(model, LoadedModel):
            return model
        model = model if isinstance(model, Model) else load_model(model)
        _ = model.synthesis  # refuses a generative model before its weights are read
        return cls(model, model.network())

    def predictor(self, device: str = "auto", batch_size: int | None = None) -> AnyPredictor:
        """Return a predictor for one synthesis: what it does when memory runs out does not concern the next one.

        On a CPU, OpenVINO runs the network if it is installed and wanted (`medsynth_core.compute.openvino`).

        Raises:
            MedSynthError: there is no such device, or as `cpu_backend` and `create_predictor`.
        """
        foreign = getattr(self.network, "cpu_only", False)  # a network of others, which brings its own runtime
        chosen, contract = choose_device("cpu" if foreign else device), self.model.synthesis.contract
        if chosen.type == "cpu" and not foreign and cpu_backend() == "openvino":
            return create_predictor(self.network, contract, chosen, batch_size, self._openvino)
        return create_predictor(self.network, contract, chosen, batch_size)

    @cached_property
    def _openvino(self) -> OpenVinoBackend:
        """Runs the network for all syntheses, so that it is compiled once."""
        return OpenVinoBackend(self.network, json.dumps(self.model.card.network.model_dump(mode="json")))
