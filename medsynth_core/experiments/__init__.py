"""Experiments whose tables the documentation and the model cards quote, each run by ``medsynth reproduce NAME``."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from medsynth_core.errors import MedSynthError
from medsynth_core.progress import Progress

if TYPE_CHECKING:
    from medsynth_core.experiments.scoring.result_table import Table

# Name → module of this folder with `run(data, output, progress)`. A module is imported only when its experiment runs,
# because most of them import PyTorch.
EXPERIMENTS = {
    "ct-to-pet-baseline": "ct_to_pet_baseline",
    "ct-to-pet-systems": "ct_to_pet_systems",
    "ct-to-mr-systems": "ct_to_mr_systems",
    "low-dose-pet": "low_dose_pet",
    "whole-body-pet": "whole_body_pet",
    "feature-extractor": "feature_extractor",
}


def run_experiment(name: str, data: Path, output: Path, progress: Progress) -> Table:
    """Run the experiment called ``name`` and return its table, which is also written to ``output``.

    Args:
        name: one of `EXPERIMENTS`.
        data: manifest of the cases; the experiment's module says which columns it needs.
        output: folder for tables, figures and runs.
        progress: reports.

    Raises:
        MedSynthError: there is no such experiment, pandas is not installed, or data or output are not usable. Only
            a new or empty folder, or that of an experiment, is written to.
    """
    if name not in EXPERIMENTS:
        raise MedSynthError(f"There is no experiment '{name}'; choose one of {', '.join(EXPERIMENTS)}.")
    if find_spec("pandas") is None:
        raise MedSynthError(
            "The tables of the experiments need the package pandas; install it with: pip install "
            "'medsynth-core[experiments]'.",
            kind="output",
        )
    from medsynth_core.experiments.output_folder import begin_experiment
    from medsynth_core.experiments.variants import VARIANTS

    trainings = {method for methods in VARIANTS.values() for method in methods} | {"residual-unet-baseline"}
    begin_experiment(name, output, trainings)
    table: Table = import_module(f"{__name__}.{EXPERIMENTS[name]}").run(data, output, progress)
    return table
