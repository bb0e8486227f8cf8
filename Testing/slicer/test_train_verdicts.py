"""The panel gives the same verdict on a data set as the command and the training."""

from __future__ import annotations

import json

import pytest
from MedSynthLib.job import State
from scene_helpers import waitUntil
from train_helpers import SECONDS
from verdict_cases import DATA_SETS

from medsynth_core.datasets.checks import check_data


@pytest.mark.parametrize("name", DATA_SETS)
def test_ThePanelSaysWhatTheCommandSays(name, tmp_path):
    from MedSynthTrainLib.dataset import DataSet

    from MedSynthTrain import MedSynthTrainLogic

    logic, data = MedSynthTrainLogic(), DATA_SETS[name](tmp_path)
    manifest = data.write(tmp_path)
    roles = logic.roles(json.dumps(data.recipe.model_dump(mode="json")))
    dataSet = DataSet(tmp_path / "panel")
    dataSet.addManifest(manifest)
    told = checked(dataSet, roles)
    expected = check_data(manifest, data.recipe.needs)
    assert told == json.loads(json.dumps([check.to_dict() for check in expected.cases]))
    # What the panel names before a training can be started is what makes the set unusable, in the same words.
    missing = dataSet.whatIsMissing(roles)
    assert bool(missing) is bool(expected.refusal) is not data.usable
    case, _, problem = missing.partition("': ")
    said = {check.case: check.problems for check in expected.cases}
    assert not data.refused or problem in said[case.removeprefix("Case '")]


def checked(dataSet, roles) -> list:
    """Return what the panel's check finds: its own request, answered by a worker process."""
    from MedSynthTrainLib.dataset_jobs import checkCases

    ended = []
    job = checkCases(dataSet, roles, lambda checks, error: ended.append((checks, error)))
    assert waitUntil(lambda: bool(ended), SECONDS) and job.state is not State.RUNNING
    [(checks, error)] = ended
    assert error is None
    return checks["cases"]
