"""A generator (noise to image) is handled like synthesis: it trains, resumes and is published."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import SUV_SIDE, phantom_ct, tiny_recipe, write_manifest
from torch import Tensor, nn

from medsynth_core import Cancelled, MedSynthError, synthesize, train
from medsynth_core.models.library import export_model, import_model, list_models, verify_model
from medsynth_core.models.markdown import card_text
from medsynth_core.networks.registry import NETWORKS, Entry, create_network
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.systems.base import Candidate, System
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.registry import SYSTEMS
from medsynth_core.systems.settings import SystemSettings

SIDE = 16


class ToyGenerator(nn.Module):
    """(n, noise) → (n, 1, 16, 16)."""

    out_channels = multiple_of = 1

    def __init__(self, noise: int = 4) -> None:
        super().__init__()
        self.noise = noise
        self.layer = nn.Linear(noise, SIDE * SIDE)

    def forward(self, noise: Tensor) -> Tensor:
        return self.layer(noise).reshape(-1, 1, SIDE, SIDE)


class ToySettings(SystemSettings):
    """One key of its own."""

    spread: float = 0.1


class ToySystem(System[ToySettings]):
    """Learns the mean image."""

    settings_class = ToySettings
    kinds = ("generation",)

    def __init__(self, settings: ToySettings, engine) -> None:
        super().__init__(settings, engine, {"generator": create_network(settings.network.name)})

    def step(self, batch: Batch, parts: int = 1) -> dict[str, float]:
        assert not batch.inputs
        self._train_mode()
        self.optimisers["generator"].zero_grad()
        noise = self.settings.spread * torch.randn(len(batch), self.settings.contract.noise)
        loss = (self.generator(noise) - batch.target).square().mean()
        self.engine.backward(loss)
        self._descend("generator")
        return {"loss": loss.item()}

    @classmethod
    def validate(cls, settings: ToySettings, case: TrainingCase, candidate: Candidate) -> dict[str, float]:
        with torch.no_grad():
            made = candidate.network(torch.zeros(1, settings.contract.noise))[0, 0].numpy()
        side = settings.contract.output
        usual, real = (float(np.mean(side.intensity.inverse(image))) for image in (made, case.target))
        return {"mae": abs(usual - real)}


@pytest.fixture(autouse=True)
def registered(monkeypatch, tmp_path):
    monkeypatch.setitem(NETWORKS, "toy-generator", Entry(ToyGenerator, "Toy", ("noise",)))
    monkeypatch.setitem(SYSTEMS, "toy", ToySystem)
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "library"))


def test_a_system_for_synthesis_refuses_a_generator():
    content = recipe().model_dump(mode="json")
    content = {key: value for key, value in content.items() if key != "spread"}
    with pytest.raises(ValueError, match="the system 'paired' does not train models of the kind 'generation'"):
        Recipe.model_validate({**content, "system": "paired", "loss": {"l1": 1.0}})


def recipe(**changes: object) -> Recipe:
    content = tiny_recipe().model_dump(mode="json")
    content = {key: content[key] for key in ("format", "about", "optimiser", "batch_size")}
    return Recipe.model_validate(
        {
            **content,
            "name": "toy",
            "system": "toy",
            "contract": {
                "kind": "generation",
                "noise": 4,
                "outputs": {"pet": SUV_SIDE},
                "spacing": [3.0, 3.0, 3.0],
                "matrix": [SIDE, SIDE],
            },
            "network": {"name": "toy-generator"},
            "augmentation": {"crop": SIDE},
            "epochs": 2,
            **changes,
        }
    )


def test_it_needs_the_images_that_it_learns_to_make_and_no_others():
    needs = recipe().needs
    assert needs.names == ("pet",) and needs.paired and not needs.simulated
    assert recipe(spread=0.5).spread == 0.5


def test_it_trains_is_published_and_imported(tmp_path):
    package = train(recipe(epochs=6), write_manifest(tmp_path), tmp_path / "run", device="cpu")
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) and float(rows[-1]["val_mae"]) > 0
    model = verify_model(package)
    assert model.card.kind == "generation" and not hasattr(model.card, "error_curve")
    assert set(model.card.metrics) == {"val", "test"}
    assert model.network()(torch.zeros(1, 4)).shape == (1, 1, SIDE, SIDE)
    assert "a random vector of 4 numbers" in card_text(model.metadata)
    import_model(export_model(package, tmp_path / "toy.zip"))
    (summary,) = (summary for summary in list_models() if summary.name == "toy")
    assert (summary.kind, summary.input_modality, summary.output_modality) == ("generation", "", "PT")
    with pytest.raises(MedSynthError, match="is generative and takes no input image"):
        synthesize(phantom_ct(), package, device="cpu")


def test_it_resumes_with_the_same_weights_as_without_a_stop(tmp_path):
    manifest = write_manifest(tmp_path)
    straight = train(recipe(), manifest, tmp_path / "straight", device="cpu")

    def stop(fraction: float, message: str) -> None:
        if message.startswith("Epoch 2"):
            raise Cancelled

    with pytest.raises(Cancelled):
        train(recipe(), manifest, tmp_path / "stopped", device="cpu", progress=stop)
    resumed = train(recipe(), manifest, tmp_path / "stopped", device="cpu", resume=True)
    weights = [(package / "models" / "model.safetensors").read_bytes() for package in (straight, resumed)]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("contract", "words"),
    [
        ({"noise": 0}, "needs noise above 0 or an input"),
        ({"matrix": [8, 8]}, "contract.matrix must have 16 rows and columns"),
        ({"outputs": {}}, "at least 1 item"),
    ],
)
def test_a_contract_that_generates_nothing_is_refused(contract, words):
    with pytest.raises(ValueError, match=words):
        recipe(contract={**recipe().contract.model_dump(mode="json"), **contract})


def test_a_case_without_the_image_is_refused(tmp_path: Path):
    manifest = write_manifest(tmp_path)
    manifest.write_text(manifest.read_text().replace(",pet0.nii.gz", ","))
    with pytest.raises(MedSynthError, match="case 'P0': The case has none of the images"):
        train(recipe(), manifest, tmp_path / "run", device="cpu")
    assert replace(recipe().needs, roles=()).names == ()
