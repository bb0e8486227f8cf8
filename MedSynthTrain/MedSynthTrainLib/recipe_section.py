"""The section Recipe: a preset, the few numbers that matter, and the whole as YAML."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthTrainLib import recipe_text, settings

FIRST_PRESET = "ct-to-pet"
# This long after the last key press, what was typed is read.
EDIT_PAUSE_MS = 300


class RecipeSection:
    """Keeps the recipe: a text that the number fields change in place, and that is checked after every edit.

    Args:
        ui: the panel's widgets.
        onChanged: called when the recipe has changed, for the better or the worse.
    """

    def __init__(self, ui, onChanged: Callable[[], None]) -> None:
        self._ui, self._onChanged = ui, onChanged
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
        for box, kind, keys in self._numbers:
            box.connect(f"valueChanged({kind})", self._taker(keys))
        ui.nameEdit.connect("editingFinished()", self._takeName)
        ui.presetComboBox.connect("activated(int)", self._takePreset)
        ui.recipeFileButton.connect("clicked(bool)", self._askForFile)
        self._pause = qt.QTimer()
        self._pause.setSingleShot(True)
        self._pause.setInterval(EDIT_PAUSE_MS)
        self._pause.connect("timeout()", self.check)
        ui.yamlTextEdit.connect("textChanged()", self._onEdited)

    @property
    def text(self) -> str:
        """The recipe as YAML, right or wrong."""
        return self._ui.yamlTextEdit.plainText

    def open(self) -> None:
        """List the presets; go on with the recipe of the last time, or the first preset."""
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
            self.setText(draft)
        elif box.count > 1:
            first = max(1, box.findText(FIRST_PRESET))
            self._takePreset(first)

    def close(self) -> None:
        """Check no more."""
        self._pause.stop()

    def setText(self, text: str) -> None:
        """Replace the recipe, as if the text had been typed, and check it at once."""
        self._updating = True
        self._ui.yamlTextEdit.plainText = text
        self._updating = False
        self.check()

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
        """Read the text: take the recipe, or say at the field what is wrong."""
        self._pause.stop()
        qt.QSettings().setValue(settings.RECIPE, self.text)
        try:
            self.recipe, self.problem = recipe_text.parsedRecipe(self.text), ""
        except MedSynthError as problem:
            self.recipe, self.problem = None, problem.message
        self._ui.recipeLabel.text = ("✗ " + self.problem) if self.problem else self._summary()
        # A preset that was changed is no longer that preset.
        self._ui.presetComboBox.setCurrentIndex(self._presets.get(self.text, 0))
        self._showNumbers()
        self._onChanged()

    def _summary(self) -> str:
        recipe = self.recipe
        return _("✓ {input} → {target} with {network} ({system}).").format(
            input=recipe.input_role, target=recipe.target_role, network=recipe.network.name, system=recipe.system
        )

    def _showNumbers(self) -> None:
        """Show in the fields what the text says; a field whose value the text does not say cannot be used."""
        self._updating = True
        for box, kind, keys in self._numbers:
            value = _attribute(self.recipe, keys) if self.recipe else self._stated(keys)
            box.enabled = isinstance(value, int | float if kind == "double" else int) and not isinstance(value, bool)
            if box.enabled:
                box.value = value
        name = self.recipe.name if self.recipe else self._stated(("name",))
        self._ui.nameEdit.enabled = isinstance(name, str)
        self._ui.nameEdit.text = name if isinstance(name, str) else ""
        self._updating = False

    def _stated(self, keys: tuple[str, ...]) -> Any:
        try:
            return recipe_text.valueIn(self.text, *keys)
        except ImportError:  # no YAML before the installation
            return None

    def _taker(self, keys: tuple[str, ...]) -> Callable[[float], None]:
        """Return a slot that writes the value of one field into the text, and leaves all others as they are."""

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


def _attribute(recipe: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        recipe = getattr(recipe, key)
    return recipe
