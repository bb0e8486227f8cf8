"""Command, worker and training give the same verdict on the same data."""

from __future__ import annotations

import json
import sys

import pytest
from verdict_cases import DATA_SETS
from worker_client import LAST, Client

from medsynth_core import MedSynthError, train
from medsynth_core.cli.app import run
from medsynth_core.datasets.completeness import training_cases
from medsynth_core.recipes.recipe import write_recipe


@pytest.fixture(scope="module")
def worker():
    client = Client()
    yield client
    client.process.stdin.close()
    client.process.wait(10)


@pytest.fixture
def by_command(monkeypatch, capsys):
    def check(recipe, manifest):
        """Return what ``medsynth pairs check --json`` prints, and its exit status."""
        arguments = ["pairs", "check", str(recipe), "--data", str(manifest), "--json"]
        monkeypatch.setattr(sys, "argv", ["medsynth", *arguments])
        status = run()
        return json.loads(capsys.readouterr().out), status

    return check


@pytest.mark.parametrize("name", DATA_SETS)
def test_all_doors_give_the_same_verdict(name, worker, by_command, tmp_path):
    data = DATA_SETS[name](tmp_path)
    manifest, recipe = data.write(tmp_path), tmp_path / "recipe.yaml"
    write_recipe(data.recipe, recipe)

    told, status = by_command(recipe, manifest)
    states = {case["case"]: case["state"] for case in told["cases"]}
    assert {case for case, state in states.items() if state == "refused"} == set(data.refused)
    assert set(states.values()) <= {"good", "refused"}
    assert status == (0 if data.usable else 2) and ("error" in told) is not data.usable
    assert bool(told["refusal"]) is not data.usable

    needs = data.recipe.needs
    roles = {role.name: {"modality": role.modality, "unit": role.unit} for role in needs.roles}
    for asked in (
        {"recipe": str(recipe)},
        {
            "roles": roles,
            "paired": needs.paired,
            "optional": list(needs.optional),
            "simulated": needs.simulated,
            "sides": needs.sides,
        },  # fmt: skip
    ):
        worker.send(job="check_cases", data=str(manifest), **asked)
        done = worker.next(*LAST)
        told.pop("error", None)
        assert {key: value for key, value in done.items() if key != "event"} == told

    if data.usable:
        assert [case.name for case in training_cases(manifest, needs)] == list(states)
        assert train(recipe, manifest, tmp_path / "run", device="cpu").is_dir()
    else:
        with pytest.raises(MedSynthError) as refusal:
            training_cases(manifest, needs)
        assert all(f"case '{case}'" in refusal.value.message for case in data.refused)
        with pytest.raises(MedSynthError):
            train(recipe, manifest, tmp_path / "run", device="cpu")
        assert not (tmp_path / "run").exists()
