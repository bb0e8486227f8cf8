"""The section Recipe: a preset, fields for the most important numbers, and the whole recipe as YAML."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from MedSynthLib.connections import Connections, Timer
from MedSynthLib.messages import asItIs
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthTrainLib import recipe_text, settings

FIRST_PRESET = "ct-to-pet"
# The text is read this long after the last key press.
EDIT_PAUSE_MS = 300


class RecipeSection:
    """Keeps the recipe as a text that the fields change in place, and that is checked after every edit.

    Attributes:
        recipe: a ``medsynth_core.recipes.recipe.Recipe``; None while the text is not valid.
        problem: why the text is not valid, in a sentence; "" if it is.

    Args:
        ui: the panel's widgets.
        onChanged: called when the recipe has been checked again, whether it is valid or not.
    """

    def __init__(self, ui, onChanged: Callable[[], None]) -> None:
        self._ui, self._onChanged, self._connections = ui, onChanged, Connections()
        self._updating = False
        self._presets: dict[str, int] = {}
        self.recipe: Any = None
        self.problem = ""
        self._numbers = (
            (ui.epochsSpinBox, "int", ("epochs",)),
            (ui.batchSizeSpinBox, "int", ("batch_size",)),
            (ui.learningRateSpinBox, "double", ("optimiser", "learning_rate")),
            (ui.cropSpinBox, "int", ("augmentation", "crop")),
        )
        self._pause = Timer(self._takeEdited, EDIT_PAUSE_MS, once=True)
        self._toolTips = [box.toolTip for box, _kind, _keys in self._numbers]
        for box, kind, keys in self._numbers:
            self._connections.connect(box, f"valueChanged({kind})", self._taker(keys))
        for widget, signal, slot in (
            (ui.nameEdit, "editingFinished()", self._takeName), (ui.presetComboBox, "activated(int)", self._takePreset),
            (ui.recipeFileButton, "clicked(bool)", self._askForFile),
            (ui.yamlTextEdit, "textChanged()", self._onEdited),
        ):  # fmt: skip
            self._connections.connect(widget, signal, slot)

    @property
    def text(self) -> str:
        """The recipe as YAML, valid or not."""
        return self._ui.yamlTextEdit.plainText

    def open(self) -> None:
        """List the presets; show the recipe of the last session, or else the first preset."""
        box = self._ui.presetComboBox
        wasBlocked = box.blockSignals(True)
        box.clear()
        box.addItem(_("Choose a preset…"), "")
        for name, path in recipe_text.presets().items():
            self._presets[path.read_text(encoding="utf-8")] = box.count
            box.addItem(name, str(path))
        box.blockSignals(wasBlocked)
        draft = slicer.util.settingsValue(settings.RECIPE, "")
        if draft:
            self._show(draft)
        elif box.count > 1:
            first = max(1, box.findText(FIRST_PRESET))
            self._show(Path(box.itemData(first)).read_text(encoding="utf-8"))

    def close(self) -> None:
        """Stop checking the text, and disconnect the widgets."""
        self._pause.close()
        self._connections.close()

    def setText(self, text: str) -> None:
        """Replace the text of the recipe as an edit of the user's: it is checked at once, and kept in the settings."""
        self._show(text)
        self._store()

    def _show(self, text: str) -> None:
        self._updating = True
        self._ui.yamlTextEdit.plainText = text
        self._updating = False
        self.check()

    def _store(self) -> None:
        # Only after an edit: what the user has removed from the settings stays removed.
        qt.QSettings().setValue(settings.RECIPE, self.text)

    def _takeEdited(self) -> None:
        self.check()
        self._store()

    def openFile(self, path: Path) -> None:
        """Replace the recipe by that in a file.

        Raises:
            MedSynthError: the file cannot be read.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            reason = getattr(problem, "strerror", None) or problem
            raise MedSynthError(_("{path} cannot be read: {reason}.").format(path=path, reason=reason)) from problem
        self.setText(text)

    def check(self) -> None:
        """Check the text, and show what is wrong with it."""
        self._pause.stop()
        try:
            self.recipe, self.problem = recipe_text.parsedRecipe(self.text), ""
        except MedSynthError as problem:
            self.recipe, self.problem = None, problem.message
        self._ui.recipeLabel.text = ("✗ " + self.problem) if self.problem else self._summary()
        # The name of a preset is shown only while the text is exactly that preset.
        self._ui.presetComboBox.setCurrentIndex(self._presets.get(self.text, 0))
        self._showNumbers()
        self._onChanged()

    def _summary(self) -> str:
        recipe = self.recipe
        return _("✓ {input} → {target} with {network} ({system}).").format(
            input=", ".join(recipe.contract.inputs) or _("noise"),
            target=", ".join(recipe.contract.outputs),
            network=recipe.network.name,
            system=recipe.system,
        )

    def _showNumbers(self) -> None:
        """Show the values of the text in the fields; a field that cannot show its value refers to the text."""
        self._updating = True
        for (box, kind, keys), toolTip in zip(self._numbers, self._toolTips, strict=True):
            value = _attribute(self.recipe, keys) if self.recipe else self._stated(keys)
            box.enabled = _isNumber(value, kind) and _showNumber(box, value)
            box.specialValueText = "" if box.enabled else _("See the text below")
            if not box.enabled:
                box.value = box.minimum  # where the box shows the special text
            unshown = _("This field cannot show the recipe's value; change it in the text below.")
            box.toolTip = asItIs(toolTip if box.enabled else unshown)
        name = self.recipe.name if self.recipe else self._stated(("name",))
        self._ui.nameEdit.enabled = isinstance(name, str)
        self._ui.nameEdit.text = name if isinstance(name, str) else ""
        self._updating = False

    def _stated(self, keys: tuple[str, ...]) -> Any:
        try:
            return recipe_text.valueIn(self.text, *keys)
        except ImportError:  # PyYAML is not installed yet
            return None

    def _taker(self, keys: tuple[str, ...]) -> Callable[[float], None]:
        """Return a slot that writes the value of one field into the text, and changes nothing else."""

        def take(value: float) -> None:
            if not self._updating:
                self.setText(recipe_text.withValue(self.text, value, *keys))

        return take

    def _takeName(self) -> None:
        name = self._ui.nameEdit.text.strip()
        if not self._updating and name != self._stated(("name",)):
            self.setText(recipe_text.withValue(self.text, name, "name"))

    def _takePreset(self, index: int) -> None:
        path = self._ui.presetComboBox.itemData(index)
        if path:
            self._take(Path(path))

    def _askForFile(self, *_clicked: Any) -> None:
        found = qt.QFileDialog.getOpenFileName(self._ui.recipeFileButton, _("Recipe"), "", _("Recipe (*.yaml *.yml)"))
        path = found[0] if isinstance(found, tuple) else found  # PythonQt gives the name alone
        if path:
            self._take(Path(path))

    def _take(self, path: Path) -> None:
        try:
            self.openFile(path)
        except MedSynthError as problem:
            self._ui.recipeLabel.text = "✗ " + problem.message

    def _onEdited(self) -> None:
        if not self._updating:
            self._pause.start()


def _isNumber(value: Any, kind: str) -> bool:
    """Return whether a value of a recipe is a number for a field of a kind: "int" or "double"."""
    return isinstance(value, int | float if kind == "double" else int) and not isinstance(value, bool)


def _showNumber(box: Any, value: float) -> bool:
    """Show a number in a spin box; return False if it is not within the range and the decimals of the box."""
    if not box.minimum <= value <= box.maximum:
        return False
    box.value = value
    return box.value == value


def _attribute(recipe: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        recipe = getattr(recipe, key)
    return recipe
