"""Damaged run folders and folders that cannot be read hide nothing else: the panels open, and say what is wrong."""

from __future__ import annotations

import json

import pytest
from MedSynthTrainLib.dataset import DataSet
from MedSynthTrainLib.run import TrainingRun
from scene_helpers import closePanel
from train_helpers import makePanel

from medsynth_core.errors import MedSynthError

GOOD = json.dumps({"event": "started", "time": 1.0, "name": "x", "epochs": 3}) + "\n"
DAMAGED = {
    "event": '{"event": [], "time": 1}',
    "name": '{"event": "started", "time": 1.0, "name": ["x"], "epochs": 3}',
    "split": GOOD + '{"event": "metric", "time": 1, "split": [], "name": "a", "step": 1, "value": 2}',
    "progress": GOOD + '{"event": "progress", "time": 1, "progress": NaN, "epoch": 1, "seconds_left": 1}',
    "lacking": GOOD + '{"event": "progress", "time": 1}',
    "preview": GOOD + '{"event": "preview", "time": 1, "file": "/etc/hostname"}',
    "device": GOOD + '{"event": "device", "time": 1}',
    "message": GOOD + '{"event": "error", "time": 1, "message": 5}',
    "done": GOOD + '{"event": "done"}',
    "nested": GOOD + '{"event": "log", "time": 1, "message": ' + "[" * 100_000,
}


def written(folder, **files):
    """Return a run folder with these files; a double underscore in a name stands for a dot."""
    folder.mkdir()
    for name, content in files.items():
        file = folder / name.replace("__", ".")
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.mark.parametrize("kind", DAMAGED)
def test_ADamagedRunHidesNoOther(tmp_path, kind):
    written(tmp_path / "bad", events__jsonl=DAMAGED[kind] + "\n")
    written(tmp_path / "good", events__jsonl=GOOD + json.dumps({"event": "cancelled", "time": 2.0}) + "\n")
    panel = makePanel(tmp_path)
    try:
        names = {run.folder.name: run for run in panel._run.runs}
        assert names.keys() == {"good", "bad"} and names["good"].epochs == 3
        for run in names.values():
            panel._run.show(run)
            panel._run.poll()
            panel.enter()
        assert names["bad"].previewFile is None
    finally:
        closePanel(panel)


@pytest.mark.parametrize("request_", [b"[1]", b'{"recipe": 5, "data": 6, "output": 7}', b"{"])
def test_ARunWhoseRequestCannotBeUsedCannotBeResumed(tmp_path, request_):
    run = TrainingRun(written(tmp_path / "run", events__jsonl=GOOD, request__json=request_))
    assert not run.canResume
    with pytest.raises(MedSynthError, match="cannot be resumed"):
        run.resume()


def test_ARecipeInAnotherEncodingIsTold(tmp_path):
    written(tmp_path / "run", events__jsonl=GOOD, recipe__yaml="name: x\ntitle: ü".encode("latin-1"))
    panel = makePanel(tmp_path)
    panel._publish._fillCard()
    assert "card of this training cannot be read" in panel.ui.publishStatusLabel.text
    closePanel(panel)


def test_AFolderThatCannotBeReadIsToldAndAnotherCanBeChosen(tmp_path):
    # Longer than any system allows: like the folder of another user it can neither be read nor be said to be missing.
    closed = tmp_path / ("x" * 300)
    with pytest.raises(MedSynthError, match="cannot be read: File name too long; choose another folder"):
        DataSet(closed)
    panel = makePanel(closed)
    assert "cannot be read" in panel.ui.dataStatusLabel.text and panel._run.runs == []
    panel.openFolder(tmp_path)
    assert panel._data.dataSet is not None and panel.ui.dataStatusLabel.text == ""
    closePanel(panel)
