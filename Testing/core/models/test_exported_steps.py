"""Steps of the runner of exported models between reading and writing."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from builders import phantom_ct
from exported import imported_runner

from medsynth_core.models.standalone.preparation_file import side_facts
from medsynth_core.preparation.case import prepare
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.volume import LPS_TO_RAS

LINEAR = {"kind": "linear", "divisor": 100.0}
CT = {"modality": "CT", "unit": "1", "intensity": {**LINEAR, "lower": -2000.0}}
PET = {"modality": "PT", "unit": "SUVbw", "intensity": LINEAR}


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    with imported_runner(tmp_path_factory.mktemp("runner")) as get:
        yield get


@pytest.fixture
def contract():
    return SynthesisContract(inputs={"ct": CT}, outputs={"pet": PET}, matrix=(40, 64))


@pytest.fixture
def settings(runner, contract):
    sides = [
        [runner("settings").Image(**side) for side in side_facts(group)]
        for group in (contract.inputs, contract.outputs)
    ]
    stated = contract.model_dump(mode="json")
    facts = {"slab": None, "matrix": stated["matrix"], "spacing": None, "voxel_limits": None, "body_margin": 10.0}
    return runner("settings").Settings(facts, *map(tuple, sides))


def scan_of(runner, volume):
    grid = runner("grid").Grid(volume.shape, LPS_TO_RAS @ volume.ijk_to_ras)
    return runner("preparing").Scan(volume.voxels.astype(np.float32), grid)


def test_a_ct_without_unit_is_surrounded_by_air(runner, contract, settings):
    ct = phantom_ct().replace(unit="1")
    made = runner("preparing").prepare({"ct": scan_of(runner, ct)}, settings)
    wanted = prepare(ct, contract)
    np.testing.assert_allclose(made.voxels[0], wanted.voxels, atol=1e-4)
    assert made.voxels[0, 0, 20, 0] == -10


@pytest.mark.parametrize("where", ["network", "inverse"])
def test_results_that_are_not_finite_are_refused(runner, settings, where, monkeypatch):
    synthesis, value = runner("synthesis"), np.nan if where == "network" else 1e38
    monkeypatch.setattr(synthesis, "open_network", lambda *_: None)
    monkeypatch.setattr(synthesis, "check", lambda *_: None)
    monkeypatch.setattr(synthesis, "run_slices", lambda _, voxels, *__: np.full(voxels.shape, value, np.float32))
    with pytest.raises(runner("refusal").RefusalError, match="not a finite number"), np.errstate(over="ignore"):
        synthesis.run("folder", settings, {"ct": scan_of(runner, phantom_ct())})


def test_the_folder_may_be_a_text(runner, tmp_path):
    (tmp_path / "preparation.json").write_text(json.dumps({"format": 1, "inputs": [], "outputs": []}))
    assert runner("settings").read_settings(str(tmp_path)).inputs == ()


def test_a_grid_that_memory_cannot_hold_is_refused(runner):
    with pytest.raises(runner("refusal").RefusalError, match="more than this computer has"):
        runner("memory").check_grid((100_000, 100_000, 100_000), 1)


def test_a_network_is_checked_when_it_is_opened(runner, tmp_path):
    (tmp_path / "network.onnx").write_bytes(b"other")
    facts = {"network": {"format": "onnx", "file": "network.onnx"}, "files": {"network.onnx": "0" * 64}}
    settings = SimpleNamespace(facts=facts, network=facts["network"])
    with pytest.raises(runner("refusal").RefusalError, match="was changed"):
        runner("engine").open_network(str(tmp_path), settings)
