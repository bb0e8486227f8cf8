"""``medsynth train``, ``networks`` and ``reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from medsynth_core.cli.output import AsJson, print_json, print_table, progress_bar, say
from medsynth_core.experiments import EXPERIMENTS


class TrainCommand(TyperCommand):
    """``medsynth train`` with a help that lists the presets and all recipe keys."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the usual help, the presets and the recipe keys."""
        super().format_help(ctx, formatter)
        from medsynth_core.recipes.help import presets, recipe_keys

        print_table(["preset", "model"], [list(preset) for preset in presets().items()])
        keys = [[key.name, key.takes, key.default, key.systems_text] for key in recipe_keys()]
        print_table(["recipe key", "value", "default", "only for system"], keys)


def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe: YAML file or name of a preset.")],
    data: Annotated[Path, typer.Option(help="Manifest: CSV with columns case, split and one per role.")],
    output: Annotated[Path, typer.Option(help="Run folder for checkpoints, logs and the model package.")],
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the checkpoint in the run folder.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    name: Annotated[str, typer.Option(help="Name of your model, if RECIPE is a preset.")] = "",
    about: Annotated[
        Path | None, typer.Option(help="YAML file with text of the model card: data_licence, description, limits, ….")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a model and write its package into the run folder.

    On several GPUs or machines: accelerate launch -m medsynth_core train …
    """
    from medsynth_core.recipes.about import personal
    from medsynth_core.systems.engine import is_first_process
    from medsynth_core.training.train import train as run

    first = is_first_process()
    with progress_bar(as_json or not first) as progress:
        package = run(
            personal(recipe, name, about) if name or about else recipe,
            data,
            output,
            resume=resume,
            device=device,
            progress=progress,
        )
    if not first:
        return
    if as_json:
        print_json({"package": str(package)})
    else:
        say(f"The model package is in {package}; add it to your library with: medsynth models import {package}")


def networks(as_json: AsJson = False) -> None:
    """List the networks with their options, parameters and GFLOP for one 256² image."""
    from medsynth_core.networks.registry import NETWORKS, describe

    found = [describe(name) for name in NETWORKS]
    if as_json:
        print_json([description.to_dict() for description in found])
        return
    print_table(
        ["name", "parameters", "GFLOP", "description", "options"],
        [[d.name, f"{d.parameters:,}", f"{d.gflop:.3f}", d.title, ", ".join(d.options)] for d in found],
    )


def reproduce(
    experiment: Annotated[
        str,
        typer.Argument(help=f"One of: {', '.join(EXPERIMENTS)}."),
    ],
    data: Annotated[Path, typer.Option(help="Manifest of the experiment's data.")],
    output: Annotated[Path, typer.Option(help="Folder for tables and training runs.")],
    as_json: AsJson = False,
) -> None:
    """Reproduce a table of results, training models where necessary."""
    from medsynth_core.experiments import run_experiment

    with progress_bar(as_json) as progress:
        table = run_experiment(experiment, data, output, progress)
    if as_json:
        print_json(table.to_dict())
    else:
        print_table(table.columns, table.text_rows())
        say(f"Written to {table.path}; results by case in {table.cases_path}")
