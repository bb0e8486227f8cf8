"""The parts of the runner of exported models, on NumPy and SimpleITK, give what MedSynth's do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from builders import PET_SIDE
from exported import imported_runner
from fixed_weights import fill
from scipy import ndimage

from medsynth_core.grid import Grid, resample_array
from medsynth_core.inference.slab_predictor import SlabPredictor
from medsynth_core.models.standalone.preparation_file import side_facts
from medsynth_core.networks.registry import create_network
from medsynth_core.preparation import body
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.volume import LPS_TO_RAS


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """A function that imports a module of a copy of the runner."""
    with imported_runner(tmp_path_factory.mktemp("runner")) as get:
        yield get


@pytest.fixture(params=[(9, 40, 44), (1, 30, 25), (6, 2, 40), (5, 33, 1)], ids=str)
def blobs(request):
    """Smooth noise from -1 to 1, whose parts above a threshold have holes and touch the edges."""
    noise = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=request.param), 1.2)
    return (noise / np.abs(noise).max()).astype(np.float32)


def test_body_of_a_ct(runner, blobs):
    hu = 1000 * blobs - 400
    np.testing.assert_array_equal(runner("body").body_mask(hu), body.body_mask(hu))


def test_body_of_nothing(runner):
    hu = np.full((4, 9, 9), -1000.0, np.float32)
    assert not runner("body").body_mask(hu).any()


@pytest.mark.parametrize("spacing", [(4.0, 4.0, 3.0), (9.0, 7.0, 12.0)])
def test_body_of_a_pet(runner, blobs, spacing):
    suv = np.maximum(3 * blobs, 0)
    found = runner("body").activity_mask(suv, np.array(spacing), 10.0)
    np.testing.assert_array_equal(found, body.activity_mask(suv, np.array(spacing), 10.0))


@pytest.mark.parametrize(("beyond", "mode"), [("edge", "nearest"), ("symmetric", "reflect")])
def test_smoothing(runner, blobs, beyond, mode):
    sigma = np.array([0.7, 0.0, 3.1])
    wanted = ndimage.gaussian_filter(blobs, sigma, mode=mode, truncate=3.0)
    np.testing.assert_allclose(runner("filters").gaussian(blobs, sigma, beyond), wanted, rtol=0, atol=1e-7)


@pytest.mark.parametrize("step", [0.5, 1.0, 2.3])
def test_resampling(runner, blobs, step):
    matrix = np.array([[1, 0.2, 0, 3], [-0.2, 1, 0, -4], [0, 0, 2.0, 5], [0, 0, 0, 1]])
    other = matrix @ np.diag([step, step, step, 1])
    wanted = resample_array(
        blobs, Grid(blobs.shape, LPS_TO_RAS @ matrix), Grid((7, 20, 21), LPS_TO_RAS @ other), fill=-1
    )
    grid = runner("grid")
    made = grid.resample(blobs, grid.Grid(blobs.shape, matrix), grid.Grid((7, 20, 21), other), fill=-1)
    np.testing.assert_allclose(made, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("budget", [2 << 30, 100_000], ids=["slabs", "windows"])
def test_slabs_and_windows(runner, budget, monkeypatch):
    contract = SynthesisContract.model_validate(
        {"inputs": {"pet": PET_SIDE}, "outputs": {"full": PET_SIDE}, "slab": {"slices": 10, "overlap": 4}}
    )
    network: Any = fill(create_network("contextual3d", channels=2))
    image = np.random.default_rng(1).random((1, 23, 100, 90), np.float32)
    image[:, :, :, 60:] = 0
    wanted = SlabPredictor(network, contract, torch.device("cpu"), budget=budget)(image)
    settings = runner("settings")
    (side,) = side_facts(contract.inputs)
    facts = {
        "slab": {"slices": 10, "overlap": 4},
        "network": {"halo": 7, "memory_per_voxel": network.memory_per_voxel()},
    }
    monkeypatch.setattr(runner("slabs"), "BUDGET", budget)

    @torch.inference_mode()
    def run(voxels):
        return network(torch.from_numpy(np.ascontiguousarray(voxels))).numpy()

    found = runner("slabs").run_slabs(
        run, image, settings.Settings(facts, (settings.Image(**side),), (settings.Image(**side),))
    )
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
