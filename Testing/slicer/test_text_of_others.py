"""Names and descriptions are shown as they are: no label, tooltip or message takes them for HTML."""

from __future__ import annotations

import ast
import json

import application
import numpy as np
import pytest
import qt
import slicer
from MedSynthLib.messages import asItIs
from PySide6.QtGui import Qt
from scene_helpers import closePanel
from train_helpers import addPhantoms, makePanel, recipeText

from medsynth_core.errors import MedSynthError

mightBeRichText = Qt.mightBeRichText
FOLDERS = ("MedSynth", "MedSynthTrain")
ROLE = "t1<h1>Approved for diagnosis"
HTML = "<b>bold</b> <img src='http://example.org/x.png'> [/b] & \x1b[31m"


@pytest.fixture
def panel(tmp_path):
    panel = makePanel(tmp_path)
    yield panel
    closePanel(panel)


def test_NoLabelOfThePanelTakesTextForHTML(panel):
    labels = [widget for widget in vars(panel.ui).values() if isinstance(widget, qt.QLabel)]
    assert len(labels) > 5
    assert all(label.textFormat == qt.Qt.PlainText for label in labels)


def test_TextForTooltipsAndMessagesIsEscapedWhereItWouldBeHTML():
    assert asItIs("a & b\nc") == "a & b\nc"
    assert asItIs("x &lt; 3 and AT&T") == "<p>x &amp;lt; 3 and AT&amp;T</p>"
    assert asItIs("a\n<b>c & d</b>") == "<p>a<br>&lt;b&gt;c &amp; d&lt;/b&gt;</p>"


@pytest.mark.parametrize("text", [HTML, "Do not use &lt;b&gt; here", "&#60;b&#62;", "a & b", "1 < 2"])
def test_AWindowShowsTextAsItIs(text):
    given = asItIs(text)
    shown = qt.QTextDocument()
    (shown.setHtml if mightBeRichText(given) else shown.setPlainText)(given)
    assert shown.toPlainText() == text


def test_ATooltipShowsTextAsItIs(panel):
    panel.ui.folderEdit.toolTip = asItIs(HTML)
    shown = qt.QTextDocument()
    shown.setHtml(panel.ui.folderEdit.toolTip)
    assert shown.toPlainText() == HTML


def test_TheLabelOfStructureMapsShowsNamesAsTheyAre():
    from MedSynth import MedSynthWidget

    panel = MedSynthWidget()
    try:
        panel.enter()
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "E <x> & y")
        panel._parameterNode.inputVolume = node
        panel.ui.structurePreviewCheckBox.checked = True
        label = panel.ui.structureLabel
        assert label.text == "The volume E <x> & y has no voxels; load its image first."
        assert label.textFormat == qt.Qt.PlainText
    finally:
        closePanel(panel)


def test_NamesOfImagesAreNotTakenForHTML(panel):
    recipe = json.loads(recipeText())
    side = recipe["contract"]["inputs"]["ct"]
    recipe["contract"]["inputs"] = {"ct": side, ROLE: side, "mr&lt;": side}
    panel._recipe.setText(json.dumps(recipe))
    assert panel._recipe.recipe is not None, panel._recipe.problem
    ui, images = panel.ui, panel._data.images
    made = [row.caption for row in images._selectors._rows] + [caption for caption, _ in images._furtherPatterns]
    assert {"mr&lt;:", "pet:"} == {caption.text for caption in made}
    assert all(caption.textFormat == qt.Qt.PlainText for caption in made)
    tips = [row.selector.toolTip for row in images._selectors._rows]
    tips += [ui.targetVolumeSelector.toolTip, ui.registerCheckBox.toolTip]
    assert "'mr&amp;lt;'".replace("'", "&#x27;") in tips[0] and all("t1&lt;h1&gt;" in tip for tip in tips[-2:])
    assert not any("<h1>" in tip for tip in tips)


def test_ProbabilitiesAreNotTakenForHTML():
    from MedSynth import MedSynthWidget

    panel = MedSynthWidget()
    try:
        panel.enter()
        node = slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.float32), np.eye(4), "result")
        for key, value in {"Model": "m", "DoseReductionFactor": "4"}.items():
            node.SetAttribute(f"MedSynth.{key}", value)
        node.SetAttribute("MedSynth.DoseProbabilities", json.dumps({"4": 0.5, "<img src='x'>": 0.5}))
        panel._parameterNode.outputVolume = node
        assert "&lt;img" in panel.ui.resultLabel.toolTip and "<img" not in panel.ui.resultLabel.toolTip
    finally:
        closePanel(panel)


def sources() -> list:
    found = [file for folder in FOLDERS for file in sorted((application.ROOT / folder).rglob("*.py"))]
    return [(file, ast.parse(file.read_text(encoding="utf-8"))) for file in found]


def isOurText(node: ast.expr) -> bool:
    """Return whether an expression is a text of ours, or one that is shown as it is."""
    if isinstance(node, ast.IfExp):
        return isOurText(node.body) and isOurText(node.orelse)
    if isinstance(node, ast.BoolOp):
        return all(isOurText(part) for part in node.values)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id == "asItIs" or (node.func.id == "_" and isinstance(node.args[0], ast.Constant))
    return isinstance(node, ast.Constant)


BOXES = ("setToolTip", "confirmOkCancelDisplay", "confirmYesNoDisplay", "errorDisplay", "infoDisplay", "warningDisplay")


def shownTexts(tree: ast.AST):
    """Yield what becomes the text of a tooltip, or of a question or error in a box."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in BOXES:
            yield node.args[0]
        if isinstance(node, ast.Assign):
            yield from (value for target, value in assigned(node) if getattr(target, "attr", "") == "toolTip")


def assigned(node: ast.Assign):
    """Yield the targets of an assignment, each with its value."""
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            yield from zip(target.elts, node.value.elts, strict=True)
        else:
            yield target, node.value


def test_EveryTooltipAndBoxShowsTextOfOthersAsItIs():
    texts = [(file.name, text) for file, tree in sources() for text in shownTexts(tree)]
    assert len(texts) > 15
    assert [(name, ast.unparse(text)) for name, text in texts if not isOurText(text)] == []


def test_NoLabelShowsEscapedText():
    """Labels and lines take text for what it is, so that they would show the escapes."""
    shown = [
        (file.name, value)
        for file, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target, value in assigned(node)
        if getattr(target, "attr", "") in ("text", "plainText", "placeholderText")
    ]
    assert len(shown) > 40
    assert [name for name, value in shown if "asItIs" in ast.unparse(value)] == []


def test_LabelsMadeInCodeAreMadeInOnePlace():
    made = {
        file.name
        for file, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("QLabel", "QMessageBox", "QTextBrowser")
    }
    # The label that shows text as it is; the types of labels in a .ui file; the one box, whose text is plain.
    assert made == {"messages.py", "panel.py", "close_prompt.py"}
    prompt = next(file for file, _ in sources() if file.name == "close_prompt.py")
    assert "setTextFormat(qt.Qt.PlainText)" in prompt.read_text(encoding="utf-8")


def test_ATrainingAsksForTheLicenceOfTheDataBeforeItStarts(panel, tmp_path):
    addPhantoms(panel._data.dataSet)
    panel._data.refresh()
    recipe = json.loads(recipeText())
    recipe["about"]["data_licence"] = ""
    panel._recipe.setText(json.dumps(recipe))
    assert panel._whatIsMissing() == ""
    with pytest.raises(MedSynthError, match="licence of your data is not stated"):
        panel._startTraining("cpu")
    assert not list(tmp_path.rglob("request.json"))
