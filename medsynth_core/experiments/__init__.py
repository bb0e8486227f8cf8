"""Experiments whose tables the README and the model cards quote, each made again by ``medsynth reproduce NAME``."""

from __future__ import annotations

from pathlib import Path

from medsynth_core.errors import MedSynthError
from medsynth_core.experiments.table import Table
from medsynth_core.progress import Progress

EXPERIMENTS = ("ct-to-pet-baseline", "ct-to-pet-systems", "ct-to-mr-systems", "low-dose-pet", "whole-body-pet")


def run_experiment(name: str, data: Path, output: Path, progress: Progress) -> Table:
    """Run the experiment called ``name`` and return its table, which is also written to ``output``.

    Raises:
        MedSynthError: no such experiment, or data or output are not usable.
    """
    if name not in EXPERIMENTS:
        raise MedSynthError(f"There is no experiment '{name}'; choose one of {', '.join(EXPERIMENTS)}.")
    if name == "ct-to-pet-baseline":
        from medsynth_core.experiments.ct_to_pet_baseline import run

        return run(data, output, progress)
    if name == "low-dose-pet":
        from medsynth_core.experiments.low_dose_pet import run as run_low_dose_pet

        return run_low_dose_pet(data, output, progress)
    if name == "whole-body-pet":
        from medsynth_core.experiments.whole_body_pet import run as run_whole_body_pet

        return run_whole_body_pet(data, output, progress)
    from medsynth_core.experiments.systems import run as run_systems

    return run_systems(name, data, output, progress)
