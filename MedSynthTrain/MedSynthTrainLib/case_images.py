"""Which images a case consists of: a selector of volumes and a pattern of file names for each role of the recipe."""

from typing import Any

import qt
from MedSynthLib.messages import asItIs, plainLabel
from MedSynthLib.volume_selectors import VolumeSelectors, VolumeSlot
from slicer.i18n import tr as _

from medsynth_core.systems.data_needs import DataNeeds

REFERENCE = "furtherVolume"


class CaseImages:
    """Asks for the images of a case; those beyond the two that the .ui file has get rows made in code.

    Args:
        ui: the panel's widgets.
    """

    def __init__(self, ui) -> None:
        self._ui = ui
        # The choices are read when a case is added, so that nothing has to be done when a volume is modified.
        self._selectors = VolumeSelectors(ui.sceneGroupBox.layout(), 2, REFERENCE, lambda caller, event: None)
        self._slots: tuple[VolumeSlot, ...] = ()
        self._furtherPatterns: list[tuple[Any, Any]] = []
        self._patternNames: tuple[str, ...] = ()
        self._patterns: dict[str, str] = {}  # of earlier recipes, by role

    def follow(self, parameterNode) -> None:
        """Keep further choices in a parameter node; with None nothing of a scene is held."""
        self._selectors.follow(parameterNode)

    def refresh(self) -> None:
        """Show what is chosen for further images."""
        self._selectors.show(self._slots)

    def close(self) -> None:
        """Disconnect the selectors made in code."""
        self._selectors.close()

    def selector(self, role: str):
        """Return the selector made in code for a role; None if there is none."""
        return self._selectors.selector(role)

    def volumes(self, needs: DataNeeds, first: tuple[Any, Any]) -> dict[str, Any]:
        """Return the chosen volume nodes by role, None where none is chosen.

        Args:
            needs: data requirements of the recipe.
            first: nodes for the first two roles.
        """
        return {**dict.fromkeys(needs.names), **dict(zip(needs.names, first, strict=False)), **self._selectors.chosen()}

    def patterns(self, needs: DataNeeds) -> dict[str, str]:
        """Return the patterns of file names by role; an image that a case may lack is left out if it has none."""
        texts = dict(zip(needs.names, (edit.text for edit in self._patternEdits(len(needs.roles))), strict=False))
        return {role: text for role, text in texts.items() if text or (needs.paired and role not in needs.optional)}

    def suggestPatterns(self, needs: DataNeeds) -> None:
        """Write a pattern for each role: the one it had before, or its name, anywhere in that of the file."""
        edits = self._patternEdits(max(len(self._patternNames), len(needs.names)))
        self._patterns.update((name, edit.text) for name, edit in zip(self._patternNames, edits, strict=False))
        for edit, name in zip(edits, needs.names, strict=False):
            edit.text = self._patterns.get(name, f"*{name}*.nii*")
        self._patternNames = needs.names

    def show(self, needs: DataNeeds) -> None:
        """Show what a case consists of: a pair, one of two images, a full-dose PET with or without its CT, or more."""
        self._showFirstTwo(needs)
        self._showButton(needs)
        self._slots = tuple(
            VolumeSlot(role.name, f"{role.name}:", _aligned(needs, role.name)) for role in needs.roles[2:]
        )
        self.refresh()
        edits = self._patternEdits(len(needs.roles))
        for index, (caption, edit) in enumerate(self._furtherPatterns, start=2):
            caption.visible = edit.visible = index < len(needs.names)
            caption.text = f"{needs.names[index]}:" if index < len(needs.names) else ""
        for edit, name in zip(edits, needs.names, strict=False):
            edit.placeholderText = "" if needs.paired and name not in needs.optional else _("none")

    def _showFirstTwo(self, needs: DataNeeds) -> None:
        ui, isPair = self._ui, len(needs.roles) > 1
        for widget in (
            ui.targetVolumeCaption, ui.targetVolumeSelector, ui.targetPatternEdit, ui.registerCheckBox,
            ui.deformableCheckBox,
        ):  # fmt: skip
            widget.visible = isPair
        first, *others = needs.names
        second = others[0] if others else ""
        named = needs.simulated or len(needs.roles) > 2  # then the second image may be an input as well
        ui.inputVolumeCaption.text = f"{first}:" if named else _("Input:")
        ui.targetVolumeCaption.text = f"{second}:" if named else _("Target:")
        ui.inputVolumeSelector.toolTip = (
            _("The full-dose PET; low-dose images are simulated from it.") if needs.simulated
            else _("The image to synthesize from.")
        )  # fmt: skip
        ui.targetVolumeSelector.toolTip = (
            asItIs(_aligned(needs, second)) if named
            else _("The image to synthesize, of the same patient and aligned with the input.")
        )  # fmt: skip
        register = _("Register {others} rigidly to {first}.").format(others=", ".join(others), first=first)
        ui.registerCheckBox.toolTip = asItIs(register)

    def _showButton(self, needs: DataNeeds) -> None:
        button = self._ui.addPairButton
        button.text = _("Add pair") if needs.paired and len(needs.roles) == 2 else _("Add")
        button.toolTip = (
            _("Write the chosen volumes to the folder as a new case.") if needs.paired
            else _("Write the chosen volumes to the folder as a new case. One is enough for training; validation and "
                   "test need both.")
        )  # fmt: skip

    def _patternEdits(self, count: int) -> list[Any]:
        """Return line edits for the patterns of the first images, at least two."""
        while len(self._furtherPatterns) < count - 2:
            caption, edit = plainLabel(), qt.QLineEdit()
            edit.toolTip = _("Pattern for the file name of this image in the folder of a case.")
            self._ui.filesGroupBox.layout().insertRow(1 + len(self._furtherPatterns), caption, edit)
            self._furtherPatterns.append((caption, edit))
        further = [edit for _caption, edit in self._furtherPatterns]
        return [self._ui.inputPatternEdit, self._ui.targetPatternEdit, *further][: max(count, 2)]


def _aligned(needs: DataNeeds, name: str) -> str:
    if needs.simulated:
        return _("The {role} of the same examination, aligned with {first}.").format(role=name, first=needs.names[0])
    return _("The image '{role}' of the same patient, aligned with {first}.").format(role=name, first=needs.names[0])
