"""What a model card claims about its data and training must be about those that the model is trained with."""

from __future__ import annotations

from collections.abc import Sequence

from medsynth_core.datasets.manifest import Case
from medsynth_core.errors import MedSynthError
from medsynth_core.io.table import read_rows
from medsynth_core.progress import Progress
from medsynth_core.recipes.about import unnamed
from medsynth_core.recipes.recipe import About, Recipe, read_recipe
from medsynth_core.resources import resource_folder
from medsynth_core.training.shipped_text import Claim, bundled_texts, claims, plain, recipe_file

HOW = "under 'about' in the recipe, or with --about FILE"
# What the references of a bundled model call those that are about its data.
_OF_THE_DATA = "the data"


def check_claims(recipe: Recipe, cases: Sequence[Case], *, preset: bool = False) -> None:
    """Check, before a training or its publishing, that name and text of the model card are those of this training.

    The recipes of bundled models say how many patients they were trained with, of which scanner, and under which
    licence; that is true only for the very cases and splits of the bundled model. Those of published models say how
    they were trained, which is true only while their settings are kept.

    Args:
        recipe: recipe of the training.
        cases: cases of all splits.
        preset: whether the recipe was given by the name of a preset, so that nobody has chosen the model's name.

    Raises:
        MedSynthError: the name or the text belongs to what comes with MedSynth, or the licence of the data is missing.
    """
    if any(_is_bundled(name, cases) for name, _ in _bundled()) and _is_shipped(recipe):
        return
    problem = unnamed(recipe.name) if preset else claim_problem(recipe)
    if problem:
        raise MedSynthError(problem)


def _is_shipped(recipe: Recipe) -> bool:
    """Return whether a recipe is that of a bundled model or of an experiment with the data of one."""
    file = recipe_file(recipe.name)
    if not file.is_file() or (
        file.parent.name != "experiments" and recipe.name not in {name for name, _ in _bundled()}
    ):
        return False
    return recipe.trains_as(read_recipe(file))


def claim_problem(recipe: Recipe) -> str:
    """Return why the name or the text of a recipe cannot be those of a user's model; "" if they can."""
    if recipe.name in {name for name, _ in _bundled()}:
        return (
            f"'{recipe.name}' is the name of a model that comes with MedSynth; give your model another one, as 'name' "
            "in the recipe or with --name NAME."
        )
    if not recipe.about.data_licence.strip():
        return f"The licence of your data is not stated; state it as data_licence, {HOW}."
    said = [claim for claim in claims() if claim.is_in(recipe.about)]
    true = {plain(claim.sentence) for claim in said if not claim.bundled and not claim.departures(recipe)}
    false = next((claim for claim in said if plain(claim.sentence) not in true), None)
    return "" if false is None else _problem(false, recipe)


def _problem(claim: Claim, recipe: Recipe) -> str:
    departures = claim.departures(recipe)
    whose = (
        f"bundled model '{claim.owner}', which was trained with other data"
        if claim.bundled
        else f"preset '{claim.owner}', from which your recipe differs ({', '.join(departures)})"
    )
    said = claim.sentence.rstrip(".;:")
    return f"The {claim.key} of the recipe is that of the {whose} (“{said}”); write your own, {HOW}."


def of_own_training(recipe: Recipe, cases: Sequence[Case], progress: Progress) -> Recipe:
    """Return a recipe without what its text and contract keep of a bundled model, and report what was left out.

    Authors, references to the data and body regions are no sentences that can be compared, so nobody is asked to
    write others: what is not stated claims nothing.

    Args:
        recipe: recipe of the training, as `check_claims` accepts it.
        cases: cases of all splits.
        progress: receives a sentence if something was left out.
    """
    if any(_is_bundled(name, cases) for name, _ in _bundled()):
        return recipe
    about, shipped = recipe.about, [text for _, text in _bundled()]
    authors = "" if about.authors in {text.authors for text in shipped} else about.authors
    of_data = {reference for text in shipped for reference in text.references if _OF_THE_DATA in reference}
    references = tuple(reference for reference in about.references if reference not in of_data)
    regions = recipe.contract.body_region
    if regions in {theirs.contract.body_region for _, theirs, _ in bundled_texts()}:
        regions = ()
    own = about.model_copy(update={"authors": authors, "references": references})
    if (own, regions) != (about, recipe.contract.body_region):
        progress.log(
            "The card states no authors, data references or body regions where the recipe has those of a bundled "
            f"model; state yours {HOW}, and body regions as contract.body_region."
        )
    return recipe.model_copy(update={"about": own, "contract": recipe.contract.of_regions(regions)})


def for_a_table(recipe: Recipe, cases: Sequence[Case]) -> Recipe:
    """Return the recipe of an experiment with a text that is true of the data that the experiment is given."""
    if any(_is_bundled(name, cases) for name, _ in _bundled()):
        return recipe
    about = About(
        title=f"{recipe.name}, trained for a table of results",
        description="A model of one of MedSynth's experiments, trained with data that this card does not describe.",
        intended_use="Comparison in a table of results; not for any other use.",
        limits=("Nothing is known of its error in other data; do not read a lesion, or its absence, from its images.",),
        licence=recipe.about.licence,
        data_licence="Not stated.",
        references=tuple(one for one in recipe.about.references if _OF_THE_DATA not in one),
    )
    return recipe.model_copy(update={"about": about})


def _bundled() -> list[tuple[str, About]]:
    """Return name and text of every bundled model, by its card and by its recipe."""
    return [(name, about) for name, _, about in bundled_texts()]


def _is_bundled(name: str, cases: Sequence[Case]) -> bool:
    """Return whether cases and splits are those that a bundled model was trained with."""
    split = resource_folder() / "Models" / name / "docs" / "training" / "split.csv"
    if not split.is_file():
        return False
    return {(row["case"], row["split"]) for row in read_rows(split)} == {(case.name, case.split) for case in cases}
