"""The recipe section: fields and text stay in step, and mistakes are reported at the field."""

from __future__ import annotations

import re
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


def recipeWith(panel, key: str, value: str) -> None:
    """Replace the number of a key in the recipe's text."""
    panel._recipe.setText(re.sub(rf"\b{key}: [\d.e-]+", f"{key}: {value}", panel._recipe.text))


def test_ANumberThatTheFieldCannotShowIsNotChangedWithAnother(panel):
    recipeWith(panel, "learning_rate", "2.0e-10")
    panel.ui.epochsSpinBox.value = 12
    assert (panel._recipe.recipe.epochs, panel._recipe.recipe.optimiser.learning_rate) == (12, 2.0e-10)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("learningRateSpinBox", "learning_rate", "2.0e-10"),
        ("learningRateSpinBox", "learning_rate", "0.000123456789"),
        ("learningRateSpinBox", "learning_rate", "2.0"),
        ("epochsSpinBox", "epochs", "20000000"),
        ("epochsSpinBox", "epochs", "20000000000"),
        ("batchSizeSpinBox", "batch_size", "5000"),
    ],
)
def test_AFieldThatCannotShowTheRecipesNumberShowsNoOther(panel, name, key, value):
    box, text = getattr(panel.ui, name), panel._recipe.text
    before = (box.text, box.toolTip)
    recipeWith(panel, key, value)
    assert f"{key}: {value}" in panel._recipe.text
    assert not box.enabled and box.text == "See the text below" and "change it in the text below" in box.toolTip
    panel._recipe.setText(text)
    assert box.enabled and (box.text, box.toolTip) == before


@pytest.mark.parametrize(
    ("name", "key", "value", "shown"),
    [
        ("learningRateSpinBox", "learning_rate", "2.0e-8", "0.00000002"),
        ("learningRateSpinBox", "learning_rate", "1.0e-8", "0.00000001"),
        ("learningRateSpinBox", "learning_rate", "0.00012345", "0.00012345"),
        ("epochsSpinBox", "epochs", "200000", "200000"),
        ("epochsSpinBox", "epochs", "1", "1"),
    ],
)
def test_AFieldShowsSmallAndLargeNumbers(panel, name, key, value, shown):
    box = getattr(panel.ui, name)
    recipeWith(panel, key, value)
    assert panel._recipe.problem == "" and box.enabled and box.text == shown
    box.value = box.maximum
    recipe = panel._recipe.recipe
    assert (recipe.epochs if key == "epochs" else recipe.optimiser.learning_rate) == box.maximum


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
    assert not panel.ui.epochsSpinBox.enabled and panel.ui.epochsSpinBox.text == "See the text below"


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
