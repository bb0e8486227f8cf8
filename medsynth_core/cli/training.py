"""``medsynth train``, ``networks`` and ``reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from medsynth_core.cli.output import AsJson, print_json, print_table, progress_bar


class TrainCommand(TyperCommand):
    """``medsynth train``, whose help lists the presets and every key of a recipe."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the usual help and the list."""
        super().format_help(ctx, formatter)
        from medsynth_core.training.recipe_help import presets, recipe_keys

        print_table(["preset", "what it makes"], [list(preset) for preset in presets().items()])
        print_table(["recipe key", "takes", "default"], [[key.name, key.takes, key.default] for key in recipe_keys()])


def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe: YAML file, or the name of a preset.")],
    data: Annotated[Path, typer.Option(help="Manifest: CSV with case, split and a column a role.")],
    output: Annotated[Path, typer.Option(help="Folder of the run.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's checkpoint.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a model and write its package into the run's folder.

    Several GPUs or machines: accelerate launch -m medsynth_core train …
    """
    from medsynth_core.training.train import train as run

    with progress_bar(as_json) as progress:
        package = run(recipe, data, output, resume=resume, device=device, progress=progress)
    if as_json:
        print_json({"package": str(package)})
    else:
        print(f"The model's package is in {package}; put it into the library with: medsynth models import {package}")


def networks(as_json: AsJson = False) -> None:
    """List the networks with their options, parameters and GFLOP for one 256² image."""
    from medsynth_core.networks.registry import NETWORKS, describe

    found = [describe(name) for name in NETWORKS]
    if as_json:
        print_json([description.to_dict() for description in found])
        return
    print_table(
        ["name", "parameters", "GFLOP", "what it is", "options"],
        [[d.name, f"{d.parameters:,}", f"{d.gflop:.3f}", d.title, ", ".join(d.options)] for d in found],
    )


def reproduce(
    experiment: Annotated[
        str,
        typer.Argument(help="ct-to-pet-baseline, ct-to-pet-systems, ct-to-mr-systems, low-dose-pet or whole-body-pet."),
    ],
    data: Annotated[Path, typer.Option(help="Manifest of the data of the experiment.")],
    output: Annotated[Path, typer.Option(help="Folder for tables and runs.")],
    as_json: AsJson = False,
) -> None:
    """Make a table of results again, training what it needs."""
    from medsynth_core.experiments import run_experiment

    with progress_bar(as_json) as progress:
        table = run_experiment(experiment, data, output, progress)
    if as_json:
        print_json(table.to_dict())
    else:
        print_table(table.columns, table.text_rows())
        print(f"Written to {table.path}, a line a case in {table.cases_path}")
