"""The figure of a published training: its first test case, synthesized by the published model."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from medsynth_core.datasets.manifest import Case
from medsynth_core.evaluation.report import evaluate
from medsynth_core.inference.synthesis import synthesize_all
from medsynth_core.io.reading import read_volume
from medsynth_core.models.package import Model
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import Recipe, synthesis_contract
from medsynth_core.training.prepared_cases import read_inputs
from medsynth_core.training.run_watch import TEST_FIGURE
from medsynth_core.training.simulated_doses import simulate_case
from medsynth_core.volume import Volume


def draw_test_case(
    recipe: Recipe, cases: list[Case], package: Path, run: Path, device: str, progress: Progress
) -> Path | None:
    """Write ``RUN/test.png``: input, synthetic and real image of the first test case, on the grid of its input.

    Args:
        recipe: recipe of the training.
        cases: cases of all splits.
        package: model package of the training.
        run: run folder.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        progress: receives the progress.

    Returns:
        The file; None for a generative model, without a test case, or if matplotlib is not installed.

    Raises:
        MedSynthError: an image cannot be read, the model cannot be run, or the file cannot be written.
        Cancelled: the progress callback requested a stop.
    """
    tested = [case for case in cases if case.split == "test"]
    if not isinstance(recipe.contract, SynthesisContract) or not tested or find_spec("matplotlib") is None:
        return None
    inputs, real = _images(tested[0], recipe)
    made = synthesize_all(inputs, Model.open(package), device=device, progress=progress)
    source, synthetic = next(iter(inputs.values())), next(iter(made.values()))
    return evaluate(synthetic, real).figure(run / TEST_FIGURE, source)


def _images(case: Case, recipe: Recipe) -> tuple[dict[str, Volume], Volume]:
    """Return a case's inputs by role (at the lowest dose if doses are simulated) and its first real image."""
    contract = synthesis_contract(recipe)
    if recipe.dose:
        made = simulate_case(case, recipe)
        others = read_inputs(case, contract, list(contract.inputs)[1:])
        return {contract.input_role: made.low[max(made.low)], **others}, made.full
    role, side = next(iter(contract.outputs.items()))
    real = read_volume(case.files[role], modality=side.modality, unit=side.unit)
    return read_inputs(case, contract, list(contract.inputs)), real
