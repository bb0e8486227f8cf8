"""``medsynth models``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medsynth_core.cli.output import AsJson, print_json, print_table

app = typer.Typer(help="The models at hand.", no_args_is_help=True)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the models of the library."""
    from dataclasses import asdict

    from medsynth_core.models.library import list_models

    found = list_models()
    if as_json:
        print_json([{**asdict(summary), "path": str(summary.path)} for summary in found])
        return
    print_table(
        ["name", "input", "output", "version", "what it does"],
        [
            [
                summary.name,
                f"{summary.input_modality} ({summary.input_unit})",
                f"{summary.output_modality} ({summary.output_unit})",
                summary.version,
                summary.description,
            ]
            for summary in found
        ],
    )


@app.command()
def show(name: Annotated[str, typer.Argument(help="Name or folder.")], as_json: AsJson = False) -> None:
    """Print the card of a model."""
    from rich.console import Console
    from rich.markdown import Markdown

    from medsynth_core.models.library import load_model
    from medsynth_core.models.markdown import card_text

    metadata = load_model(name).metadata
    if as_json:
        print_json(metadata.model_dump(mode="json"))
    else:
        Console().print(Markdown(card_text(metadata)))


@app.command()
def verify(path: Annotated[Path, typer.Argument(help="Package: folder or zip.")], as_json: AsJson = False) -> None:
    """Check a package: card, paths, SHA-256 of the weights, and that they fit the network."""
    from medsynth_core.models.library import verify_model

    _tell("verified", verify_model(path).name, path, as_json)


@app.command("import")
def import_(path: Annotated[Path, typer.Argument(help="Package: folder or zip.")], as_json: AsJson = False) -> None:
    """Copy a package into your library."""
    from medsynth_core.models.library import import_model

    model = import_model(path)
    _tell("imported", model.name, model.path, as_json)


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="Name or folder.")],
    path: Annotated[Path, typer.Argument(help="Zip file to write.")],
    as_json: AsJson = False,
) -> None:
    """Write the package of a model as a zip file."""
    from medsynth_core.models.library import export_model

    _tell("exported", name, export_model(name, path), as_json)


def _tell(what: str, name: str, path: Path, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "path": str(path), "result": what})
    else:
        print(f"The model '{name}' was {what}: {path}")
