"""MedSynthTrain's logic trains and publishes from the console."""

from __future__ import annotations

import pytest
from train_helpers import addPhantoms, phantomPair, recipeText

from medsynth_core.errors import MedSynthError


@pytest.mark.slow
def test_TheConsoleTrainsAndPublishes(tmp_path, monkeypatch):
    from MedSynthTrain import MedSynthTrainLogic

    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "library"))
    logic, recipe = MedSynthTrainLogic(), recipeText(epochs=2)
    data = logic.dataSet(tmp_path / "data")
    assert logic.addCase(data, logic.roles(recipe), *phantomPair(0)).name == "case-001"
    with pytest.raises(MedSynthError, match="The case 'case-001' has no split; .* divide the data set by patient"):
        logic.start(recipe, data, tmp_path / "run")
    data.remove(["case-001"])
    addPhantoms(data)
    seen = []
    package = logic.train(recipe, data, tmp_path / "run", "cpu", lambda fraction, message: seen.append(fraction))
    assert package == tmp_path / "run" / "tiny" and seen == sorted(seen)
    (run,) = logic.runs(tmp_path)
    assert run.state.value == "finished"
    with pytest.raises(MedSynthError, match="cannot be resumed"):
        run.resume()
    with pytest.raises(MedSynthError, match="not empty"):
        logic.start(recipe, data, tmp_path / "run")
    found = logic.publish(run)
    assert [row["case"] for row in found["cases"]] == ["P3"]
    assert logic.addToLibrary(found["package"]) == "tiny"
    with pytest.raises(MedSynthError, match="already has a model 'tiny'"):
        logic.addToLibrary(found["package"])
    assert logic.exportPackage(found["package"], tmp_path / "tiny.zip").is_file()
