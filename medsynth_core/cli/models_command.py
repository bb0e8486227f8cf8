"""``medsynth models``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from medsynth_core.cli.output import AsJson, complain, print_json, print_table, say

app = typer.Typer(help="List, show, check, import and export models.", no_args_is_help=True)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the models of the library."""
    from dataclasses import asdict

    from medsynth_core.models.library import library_problem, list_models

    found = list_models()
    problem = library_problem()
    if problem:
        complain(problem)
    if as_json:
        print_json([{**asdict(summary), "path": str(summary.path)} for summary in found])
        return
    print_table(
        ["name", "input", "output", "version", "description"],
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
def show(name: Annotated[str, typer.Argument(help="Model name or package folder.")], as_json: AsJson = False) -> None:
    """Print the card of a model."""
    from rich.console import Console
    from rich.markdown import Markdown

    from medsynth_core.models.library import load_model
    from medsynth_core.models.markdown import card_text

    metadata = load_model(name).metadata
    if as_json:
        print_json(metadata.model_dump(mode="json"))
    else:
        Console().print(Markdown(card_text(metadata), hyperlinks=False))


@app.command()
def verify(path: Annotated[Path, typer.Argument(help="Package: folder or zip.")], as_json: AsJson = False) -> None:
    """Check a package: model card, paths, SHA-256 of the weights, and whether they fit the network."""
    from medsynth_core.models.library import verify_model

    _print_result("verified", verify_model(path).name, path, as_json)


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(help="Package (folder or zip), or an ONNX file with its --card.")],
    name: Annotated[str, typer.Option(help="Name of the model in your library; by default its own.")] = "",
    card: Annotated[Path | None, typer.Option(help="YAML or JSON file that describes an ONNX file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Verify a package and copy it into your model library, or make one of an ONNX file and its card."""
    if card is not None:
        from medsynth_core.models.foreign.importing import import_onnx

        model = import_onnx(path, card, name)
    else:
        from medsynth_core.models.library import import_model

        model = import_model(path, name)
    _print_result("imported", model.name, model.path, as_json)


@app.command()
def remove(name: Annotated[str, typer.Argument(help="Model in your library.")], as_json: AsJson = False) -> None:
    """Remove a model from your model library."""
    from medsynth_core.models.library import remove_model

    _print_result("removed", name, remove_model(name), as_json)


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="Model name or package folder.")],
    path: Annotated[Path, typer.Argument(help="Zip file to write, or new folder for onnx and openvino.")],
    format_: Annotated[
        Literal["package", "onnx", "openvino"],
        typer.Option("--format", help="package is for other users of MedSynth; onnx and openvino run without it."),
    ] = "package",
    as_json: AsJson = False,
) -> None:
    """Write a model as the zip file of its package, or as a folder that runs without MedSynth."""
    if format_ == "package":
        from medsynth_core.models.library import export_model

        written = export_model(name, path)
    else:
        from medsynth_core.models.standalone.export import export_standalone

        written = export_standalone(name, path, format_)
    _print_result("exported", name, written, as_json)


def _print_result(what: str, name: str, path: Path, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "path": str(path), "result": what})
    else:
        say(f"The model '{name}' was {what}: {path}")
