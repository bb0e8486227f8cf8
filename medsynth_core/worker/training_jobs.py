"""Jobs around trainings. Training itself has a process of its own: see `medsynth_core.training.background`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medsynth_core.errors import MedSynthError
from medsynth_core.progress import Progress
from medsynth_core.worker.handing_over import required


def publish(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Write the package of a run's best weights; tell ``package``, ``cases`` (test scores) and ``figure``.

    ``figure`` shows the first test case; None without one, or without matplotlib.
    """
    from pydantic import ValidationError

    from medsynth_core.training.publishing import publish_run
    from medsynth_core.training.recipe import About

    words = request.get("about")
    try:
        about = About.model_validate(words) if words is not None else None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MedSynthError(f"The card is wrong at '{where}': {first['msg']}.") from error
    run = Path(required(request, "run"))
    published = publish_run(
        run,
        data=request.get("data"),
        about=about,
        device=request.get("device", "auto"),
        progress=progress.part(0, 0.9),
    )
    figure = _figure(run, published.package, request.get("data"), request.get("device", "auto"), progress.part(0.9, 1))
    cases = [{"case": case, **scores} for case, scores in published.test.items()]
    return {"package": str(published.package), "cases": cases, "figure": figure}


def _figure(run: Path, package: Path, data: str | None, device: str, progress: Progress) -> str | None:
    """Draw the first test case on the grid of its input and return the file."""
    from importlib.util import find_spec

    from medsynth_core.datasets.manifest import read_manifest
    from medsynth_core.evaluation.report import evaluate
    from medsynth_core.inference.synthesis import synthesize
    from medsynth_core.io.reading import read_volume
    from medsynth_core.models.package import Model
    from medsynth_core.training.doses import simulate_case
    from medsynth_core.training.recipe import needed_roles, read_recipe
    from medsynth_core.training.watching import RunWatch

    watch = RunWatch(run)
    recipe = read_recipe(watch.recipe_file)
    cases = read_manifest(data or watch.cases_file, needed_roles(recipe), check_files=False)
    tested = [case for case in cases if case.split == "test"]
    if not tested or find_spec("matplotlib") is None:
        return None
    if recipe.dose:
        made = simulate_case(tested[0], recipe)
        source, real = made.low[max(made.low)], made.full
    else:
        given, wanted = recipe.contract.input, recipe.contract.output
        files = tested[0].files
        source = read_volume(files[recipe.input_role], modality=given.modality, unit=given.unit)
        real = read_volume(files[recipe.target_role], modality=wanted.modality, unit=wanted.unit)
    synthetic = synthesize(source, Model.open(package), device=device, progress=progress)
    return str(evaluate(synthetic, real).figure(run / "test.png", source))
