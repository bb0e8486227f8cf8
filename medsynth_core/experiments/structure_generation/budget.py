"""What the training of a method cost, and what ended it."""

from __future__ import annotations

from typing import Any

from medsynth_core.experiments.rows import Row


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
