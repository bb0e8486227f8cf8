"""Further inputs of a model, such as the CT of a low-dose PET: one selector each, and whether the volumes fit."""

from collections.abc import Callable, Mapping
from typing import Any

from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from medsynth_core.modality import modality_name
from MedSynthLib.volume_bridge import coreVolume, volumeBeside
from MedSynthLib.volume_selectors import VolumeSelectors, VolumeSlot

REFERENCE = "furtherInput"


class FurtherInputs:
    """Selectors below that of the input volume, one for each further input of the chosen model.

    Args:
        form: form layout whose first row is the selector of the input volume.
        onModified: called as ``onModified(caller, event)`` when a chosen volume has been modified.
    """

    def __init__(self, form, onModified: Callable[[Any, Any], None]) -> None:
        self._selectors = VolumeSelectors(form, 1, REFERENCE, onModified)
        self._model: Any = None
        self._slots: tuple[VolumeSlot, ...] = ()

    def follow(self, parameterNode) -> None:
        """Keep the choices in a parameter node; with None nothing of a scene is held."""
        self._selectors.follow(parameterNode)

    def show(self, model, enabled: bool) -> None:
        """Show the selectors for a model.

        Args:
            model: its ``medsynth_core.models.library.ModelSummary``, or None.
            enabled: whether the user may choose now.
        """
        if model != self._model:
            self._model, self._slots = model, slotsOf(model)
        self._selectors.show(self._slots, enabled)

    def chosen(self) -> dict[str, Any]:
        """Return the chosen volume nodes by role; a role without one is left out."""
        return self._selectors.chosen()

    def selector(self, role: str):
        """Return the selector for a role; None if none is shown for it."""
        return self._selectors.selector(role)

    def close(self) -> None:
        """Disconnect the selectors."""
        self._selectors.close()


def slotsOf(model) -> tuple[VolumeSlot, ...]:
    """Return what the selectors for a model's further inputs ask for; () for a model of one input, or None."""
    if model is None or len(model.inputs) < 2:
        return ()
    from medsynth_core.models.library import load_model

    try:
        inputs = load_model(model.path).contract.inputs
    except MedSynthError:  # removed since the library was listed; the fit line says so
        return ()
    return tuple(
        VolumeSlot(
            role,
            captionOf(role, side.modality),
            _(
                "The {modality} that the model also takes, of the same patient and aligned with the input volume. "
                "It is resampled onto the grid of the input volume."
            ).format(modality=modality_name(side.modality)),
            _("None (optional)") if side.optional else _("Choose a volume"),
        )
        for role, side in list(inputs.items())[1:]
    )


def captionOf(role: str, modality: str) -> str:
    """Return the caption of a selector: the modality, and the role where that says more (``CT:``, ``MR (t1):``)."""
    name = modality_name(modality) if modality else role
    return f"{name}:" if role.lower() == name.lower() else f"{name} ({role}):"


def misfitsOf(contract, inputVolume, further: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each further input that is missing or does not fit; [] if all can be used.

    Args:
        contract: ``SynthesisContract`` of the model.
        inputVolume: node of the first input, which has voxels.
        further: nodes of the others by role.
    """
    found = []
    try:
        contract.beside(inputVolume, further)
    except MedSynthError as problem:
        found.append(problem.message)
    for role, node in further.items():
        if role in contract.inputs and role != contract.input_role:
            found += _misfitsOfOne(contract, inputVolume, role, node)
    return found


def _misfitsOfOne(contract, inputVolume, role: str, node) -> list[str]:
    from medsynth_core.grid import Grid
    from medsynth_core.preparation.case import apart

    try:
        first, volume = coreVolume(inputVolume), volumeBeside(node, inputVolume)
        reasons = contract.misfits(volume, role)
    except MedSynthError as problem:
        reasons = [problem.message]
    return [f"{role}: {reason}" for reason in reasons] or apart(Grid.of(volume), Grid.of(first), role)
