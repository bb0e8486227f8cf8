"""The recipe section: fields and text stay in step, and mistakes are reported at the field."""

from __future__ import annotations

import sys

import pytest
from scene_helpers import closePanel
from train_helpers import makePanel, recipeText

from medsynth_core.recipes.recipe import read_recipe


@pytest.fixture
def panel(tmp_path):
    panel = makePanel(tmp_path)
    panel.ui.presetComboBox.setCurrentIndex(panel.ui.presetComboBox.findText("ct-to-pet"))
    panel._recipe._takePreset(panel.ui.presetComboBox.currentIndex)
    yield panel
    closePanel(panel)


def test_ThePresetFillsTextAndNumbers(panel):
    from MedSynthTrainLib.recipe_text import presets

    recipe = read_recipe(presets()["ct-to-pet"])
    assert panel._recipe.recipe == recipe
    assert panel.ui.epochsSpinBox.value == recipe.epochs and panel.ui.cropSpinBox.value == recipe.augmentation.crop
    assert panel.ui.learningRateSpinBox.value == pytest.approx(recipe.optimiser.learning_rate)
    assert panel.ui.recipeLabel.text.startswith("✓ ct → pet")


def test_ANumberChangesItsCharactersOnly(panel):
    before = panel._recipe.text
    panel.ui.learningRateSpinBox.value = 0.0005
    after = panel._recipe.text
    assert panel._recipe.recipe.optimiser.learning_rate == 0.0005
    assert after == before.replace("learning_rate: 0.001,", "learning_rate: 0.0005,")
    assert "# Half of the range" in after  # comments stay
    panel.ui.nameEdit.text = "my-model"
    panel.ui.nameEdit.editingFinished.emit()
    assert panel._recipe.recipe.name == "my-model"


def test_APresetThatWasChangedIsNotCalledThatPresetAnyMore(panel):
    box, text = panel.ui.presetComboBox, panel._recipe.text
    assert box.currentText == "ct-to-pet"
    panel.ui.epochsSpinBox.value = 77
    assert box.currentText == "Choose a preset…"
    panel._recipe.setText(text)
    assert box.currentText == "ct-to-pet"
    panel._recipe.setText(recipeText())
    assert box.currentText == "Choose a preset…"


def test_ANumberThatTheFieldCannotShowIsNotChangedWithAnother(panel):
    panel._recipe.setText(panel._recipe.text.replace("learning_rate: 0.001", "learning_rate: 2.0e-8"))
    panel.ui.epochsSpinBox.value = 12
    assert (panel._recipe.recipe.epochs, panel._recipe.recipe.optimiser.learning_rate) == (12, 2.0e-8)


def test_ANumberThatTheTextLeavesToItsDefaultIsAdded(panel):
    text = panel._recipe.text
    start = text.index("optimiser:")
    panel._recipe.setText(text[:start] + text[text.index("\n", start) + 1 :])
    panel.ui.learningRateSpinBox.value = 0.0003
    assert panel._recipe.recipe.optimiser.learning_rate == 0.0003


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        ("epochs: ten", "epochs: 10", "'epochs'"),
        ("bach_size: 16", "batch_size: 16", "'bach_size'"),
        ("spacing: [2.0, 0, 3.27]", "spacing: [2.0, 2.0, 3.27]", "contract.spacing"),
    ],
)
def test_AWrongRecipeIsSaidAtTheFieldWithItsLine(panel, wrong, right, words):
    good = panel._recipe.text
    bad = good.replace(right, wrong)
    line = bad[: bad.index(wrong)].count("\n") + 1
    panel._recipe.setText(bad)
    label = panel.ui.recipeLabel.text
    assert label.startswith("✗ ") and words in label
    if "Field required" not in label:
        assert f"Line {line}: " in label
    assert not panel.ui.startButton.enabled and "Correct the recipe" in panel.ui.runStatusLabel.text
    assert not panel.ui.addPairButton.enabled
    panel._recipe.setText(good)
    assert panel.ui.recipeLabel.text.startswith("✓") and panel.ui.addPairButton.enabled


def test_TextThatIsNoYamlIsSaidAtTheField(panel):
    panel._recipe.setText(panel._recipe.text + "\nepochs: [\n")
    assert "is not a YAML file" in panel.ui.recipeLabel.text and panel.ui.recipeLabel.text.startswith("✗ Line ")
    assert not panel.ui.epochsSpinBox.enabled


def test_WithoutThePackagesThePanelOpensAndSaysWhatToDo(panel, monkeypatch, tmp_path):
    for name in ("yaml", "pydantic", "medsynth_core.recipes.recipe"):
        monkeypatch.setitem(sys.modules, name, None)
    bare = makePanel(tmp_path)
    assert "press Install under Setup" in bare.ui.recipeLabel.text
    assert not bare.ui.startButton.enabled and not bare.ui.epochsSpinBox.enabled
    closePanel(bare)


def test_TheRecipeThatWasBeingWrittenIsThereTheNextTime(panel, tmp_path):
    panel.ui.epochsSpinBox.value = 77
    again = makePanel(tmp_path)
    assert again._recipe.recipe.epochs == 77
    closePanel(again)
