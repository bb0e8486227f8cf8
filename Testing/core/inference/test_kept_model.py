"""A process reads the weights of a model once, and again when the package is another one."""

import json
import shutil

import numpy as np
import pytest
from builders import phantom_ct

from medsynth_core import MedSynthError, load_model, synthesize
from medsynth_core.inference.kept_model import kept_model


@pytest.fixture
def package(tmp_path):
    return shutil.copytree(load_model("ct-to-pet").path, tmp_path / "ct-to-pet")


def test_the_network_of_the_last_job_is_used_again(package):
    first = kept_model(str(package))
    assert kept_model(str(package)) is first
    results = [synthesize(phantom_ct(), model, device="cpu").voxels for model in (first, first, load_model(package))]
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])


def test_another_model_takes_its_place(package):
    first = kept_model(str(package))
    other = kept_model("low-dose-pet")
    assert other.model.name == "low-dose-pet" and kept_model(str(package)) is not first


def test_a_package_that_was_changed_is_read_again(package):
    first = kept_model(str(package))
    path = package / "configs" / "metadata.json"
    content = json.loads(path.read_text())
    content["version"] = "9.9.9"
    path.write_text(json.dumps(content))
    assert kept_model(str(package)) is not first and kept_model(str(package)).model.metadata.version == "9.9.9"


def test_a_damaged_package_leaves_nothing_behind(package):
    weights = package / load_model(package).card.weights.file
    weights.write_bytes(weights.read_bytes()[:-10])
    kept_model("ct-to-mr")
    with pytest.raises(MedSynthError, match="damaged or was changed"):
        kept_model(str(package))
    assert kept_model("ct-to-mr").model.name == "ct-to-mr"
