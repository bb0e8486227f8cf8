"""The picture of MedSynthTrain for the README: a small network trained with real cases, as a user would."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import application
from application import rendering
from PIL import Image
from scene_helpers import closePanel, waitUntil
from train_helpers import makePanel

SECONDS = 1500.0
COLORS = 200
CASES = {"train": 5, "val": 2, "test": 2}
SECTIONS = ("setup", "data", "recipe", "run", "publish")


def renderTraining(cases: Path, folder: Path) -> None:
    """Train with some of the cases of a manifest and write ``train.png`` into a folder."""
    application.loadModule("MedSynthTrain")
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["MEDSYNTH_MODELS"] = f"{temporary}/library"
        panel = makePanel(Path(temporary) / "training")
        _prepare(panel, cases)
        _train(panel)
        _publish(panel)
        default = "~/Documents/MedSynth training"
        panel.ui.folderEdit.text = default
        panel.ui.logTextEdit.plainText = panel.ui.logTextEdit.plainText.replace(f"{temporary}/training", default)
        rendering.save(_picture(panel), folder / "train.png")
        # With few colors the file is less than half as large.
        Image.open(folder / "train.png").convert("RGB").quantize(COLORS, dither=0).save(
            folder / "train.png", optimize=True
        )
        closePanel(panel)


def _prepare(panel, cases: Path) -> None:
    """Take some cases, check them, and make the preset a recipe for minutes on a CPU."""
    panel._data.addManifestFrom(cases)
    data = panel._data.dataSet
    kept = [case.name for split, count in CASES.items() for case in [c for c in data.cases if c.split == split][:count]]
    data.remove([case.name for case in data.cases if case.name not in kept])
    panel._data._changed("")
    panel.ui.nameEdit.text = "ct-to-pet-small"
    panel.ui.nameEdit.editingFinished.emit()
    from MedSynthTrainLib.recipe_text import withValue

    text = withValue(panel._recipe.text, [8, 12, 16, 24, 32], "network", "options", "channels")
    panel._recipe.setText(withValue(text, 64, "augmentation", "crop"))
    panel.ui.checkButton.click()
    panel._data.wait()


def _train(panel) -> None:
    """Train, stop on the way, and resume."""
    panel.ui.startButton.click()
    run = panel._run.run
    assert waitUntil(lambda: len(run.metrics.get(("val", "mae"), {})) >= 3, SECONDS), panel.ui.logTextEdit.plainText
    panel.ui.startButton.click()
    assert waitUntil(lambda: not run.alive, SECONDS)
    panel.ui.startButton.click()
    assert waitUntil(lambda: not run.alive, SECONDS)
    assert run.state.value == "finished", run.problem


def _publish(panel) -> None:
    panel.ui.titleEdit.text = "CT to FDG-PET, a small network for trying out"
    panel.ui.descriptionEdit.plainText = (
        "Estimates FDG uptake (SUVbw) from a CT alone, to show how training works: a small cascade and "
        f"{CASES['train']} patients with a soft-tissue sarcoma."
    )
    panel.ui.publishButton.click()
    panel._publish.wait()
    panel.ui.libraryButton.click()
    panel._publish.wait()


def _picture(panel):
    """Return the sections in three columns, with the curves below the run."""
    columns = []
    for shown in (("data", "recipe"), ("run",), ("publish",)):
        for name in SECTIONS:
            getattr(panel.ui, f"{name}CollapsibleButton").collapsed = name not in shown
        columns.append(rendering.panelImage(panel))
    curves = [
        rendering.plotViewImage(f"MedSynthTrain{name}", caption=caption)
        for name, caption in (("Loss", "Training loss"), ("Validation", "Validation"))
    ]
    columns[1] = rendering.stacked([columns[1], *curves])
    return rendering.sideBySide(columns)
