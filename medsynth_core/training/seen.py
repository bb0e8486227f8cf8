"""What a training ever sees of its cases: the share of the body, and the contrast that the intensities leave."""

from __future__ import annotations

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.preparation.frame import whole_slices
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.recipes.recipe import Recipe

# Share of the range of network values: half precision does not tell smaller differences from none.
LEAST_CONTRAST = 1e-4


def check_seen(cases: list[TrainingCase], recipe: Recipe) -> str:
    """Check that the frames of a training show all of its slices; where random shifts show a part only, report it.

    Frames are in the middle of each slice's body. Without shifts, what lies beyond would never be seen in training but
    computed in inference.

    Args:
        cases: training cases.
        recipe: recipe of a 2-D network; recipes that train on patches are not checked.

    Returns:
        A sentence on the part of the slices that is never seen; "" if there is none.

    Raises:
        MedSynthError: the slices of a case are larger than the frames, and no shift moves them.
    """
    if recipe.needs.patches:
        return ""
    changes = recipe.augmentation
    reach = changes.crop + 2 * int(changes.shift_pixels)
    sizes = {case.name: _largest(case, recipe.needs.paired) for case in cases}
    beyond = {name: size for name, size in sizes.items() if max(size) > reach}
    if not beyond:
        return ""
    name, (rows, columns) = max(beyond.items(), key=lambda item: max(item[1]))
    if not changes.shift_pixels:
        raise MedSynthError(
            f"Case '{name}': its slices have {rows} × {columns} pixels, but training would only see the {reach} × "
            f"{reach} in their middle; set contract.matrix: [{reach}, {reach}] to resample the field of view, or a "
            "coarser contract.spacing, or a larger augmentation.crop."
        )
    return (
        f"Training sees at most {reach} × {reach} pixels in the middle of each slice; {len(beyond)} of {len(cases)} "
        f"cases have larger slices, up to {rows} × {columns} in '{name}'."
    )


def check_contrast(cases: list[TrainingCase], recipe: Recipe) -> None:
    """Check that the intensities of a recipe leave a contrast in every image: a network learns nothing without.

    Args:
        cases: training cases.
        recipe: recipe of the training.

    Raises:
        MedSynthError: all voxels of all cases have the same network value in the images of a role.
    """
    sides = {"inputs": recipe.contract.inputs, "outputs": channels_of(recipe.contract.outputs)}
    for key, roles in sides.items():
        for role, side in roles.items():
            if side.optional:  # it may be missing in all training cases
                continue
            low, high = side.intensity.mapped
            least = LEAST_CONTRAST * abs(high - low)
            images = (getattr(case, "targets" if key == "outputs" else key).get(role) for case in cases)
            shown = [image for image in images if image is not None and image.size]
            if shown and not any(float(np.ptp(image)) > least for image in shown):
                named = role.rpartition(":")[0] if side.colours else role
                raise MedSynthError(
                    f"contract.{key}.{named}.intensity of the recipe gives all voxels of the {len(shown)} training "
                    f"cases the same network value ({float(shown[0].flat[0]):g}), so there is nothing to learn; choose "
                    "one for the range of values of these images."
                )


def _largest(case: TrainingCase, paired: bool) -> tuple[int, int]:
    """Return the largest numbers of rows and columns that the network should see of a case's slices."""
    volumes = [] if case.boxes is not None else list(case.inputs.values())
    volumes += list(case.targets.values()) if not (paired and case.inputs) else []
    found = np.concatenate(
        [*([] if case.boxes is None else [case.boxes]), *(whole_slices(volume.shape) for volume in volumes)]
    )
    return int((found[:, 1] - found[:, 0]).max()), int((found[:, 3] - found[:, 2]).max())
