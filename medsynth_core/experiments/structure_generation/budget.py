"""What the training of a method cost, what ended it, and by what its images were measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medsynth_core.evaluation.features import read_extractor
from medsynth_core.experiments.rows import Row
from medsynth_core.metrics.image_sets import scales_of
from medsynth_core.recipes.recipe import Recipe

ENDS = ("trained_epochs", "chosen_epoch", "steps", "training_minutes", "ended_by")


def spent(row: Row) -> dict[str, Any]:
    """Return a line of ``methods.csv``: the cost of a row, the trained epochs, and what ended the training.

    ``ended_by`` is ``validation`` if the validation metric stood still before the recipe's last epoch, else ``epochs``;
    both are missing in a row without a training.
    """
    done = len(row.log)
    if not done:
        return dict(row.cost)
    ended = "validation" if done < row.cost["epochs"] else "epochs"
    return {**row.cost, "trained_epochs": done, "ended_by": ended}


def ends(rows: Mapping[str, Row], method: str) -> dict[str, Any]:
    """Return how long a method was trained and what ended it; of one with a model for each modality, of all of them.

    Args:
        rows: by name; those of single modalities are called ``METHOD-MODALITY``.
        method: the method.
    """
    own = [rows[method]] if method in rows else [row for name, row in rows.items() if name.startswith(f"{method}-")]
    costs = [spent(row) for row in own]
    found = {name: [cost[name] for cost in costs if name in cost] for name in ENDS}
    return {name: values[0] if len(values) == 1 else " / ".join(map(str, values)) for name, values in found.items()}


def measures(recipe: Recipe) -> dict[str, Any]:
    """Return what FID and MS-SSIM of images of a recipe's size depend on, for ``environment.json``."""
    extractor = read_extractor()
    side = recipe.contract.matrix[-1] if recipe.contract.matrix else 0
    return {
        "fid_extractor": extractor.name,
        "fid_extractor_sha256": extractor.sha256,
        "ms_ssim_scales": scales_of((side, side)),
    }
