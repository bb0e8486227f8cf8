"""The model card as Markdown text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medsynth_core.metrics.conditions import compared, validated
from medsynth_core.metrics.earlier_names import todays_comparison, todays_scores
from medsynth_core.metrics.registry import cell
from medsynth_core.modality import modality_name
from medsynth_core.models.card import GenerationCard, Metadata, SynthesisCard, Training
from medsynth_core.preparation.contract import Contract, GenerationContract, Side
from medsynth_core.preparation.contract_images import comparable
from medsynth_core.text import code, markdown, visible


def card_text(metadata: Metadata) -> str:
    """Return the model card in Markdown, generated from the metadata alone."""
    card = metadata.medsynth
    contract, training = card.contract, card.training
    sections = [
        f"# {markdown(card.title)}\n\n{markdown(metadata.description)}",
        "## Limits\n\n" + "\n".join(f"- {markdown(limit)}" for limit in card.limits),
        f"## Intended use\n\n{markdown(metadata.intended_use)}",
        f"## Input and output\n\n{_images(contract)}",
        f"## Network\n\n{_OF_OTHERS * _is_foreign(card)}"
        f"{code(card.network.name)} with {code(str(card.network.options))}; "
        f"weights in {card.weights.precision}, SHA-256 `{card.weights.sha256}`.",
        f"## Results\n\n{_results(card)}",
        *([f"## Comparison with baselines\n\n{_comparison(card)}"] if card.comparison else []),
        *(_usual_error(card) if isinstance(card, SynthesisCard) else ()),
        f"## Training\n\n{_training(training)}",
        f"## Licence\n\nWeights: {markdown(card.licence)}. Data: {markdown(card.data_licence)}",
    ]
    if metadata.references:
        listed = (f"- {markdown(reference)}" for reference in metadata.references)
        sections.append("## References\n\n" + "\n".join(listed))
    if len(metadata.changelog) > 1:
        versions = (f"- {markdown(version)}: {markdown(change)}" for version, change in metadata.changelog.items())
        sections.append("## Versions\n\n" + "\n".join(versions))
    # Whatever a section forgot to escape, no character of the text commands the terminal that shows it.
    return "\n".join(map(visible, "\n\n".join(sections).split("\n"))) + "\n"


_OF_OTHERS = "An ONNX file of others, which MedSynth has neither trained nor validated: its error is unknown. "


def _is_foreign(card: SynthesisCard | GenerationCard) -> bool:
    return isinstance(card, SynthesisCard) and card.is_foreign


def _training(training: Training) -> str:
    def said(source: Mapping[str, Any], key: str) -> str:
        return markdown(str(source.get(key, "?")))

    if not training.recipe:
        return "Not by MedSynth; the card states what is known of the network."
    cases = ", ".join(f"{len(names)} {markdown(split)}" for split, names in training.split.items() if names)
    recipe, environment = training.recipe, training.environment
    return (
        f"Cases: {cases}. Best of {said(recipe, 'epochs')} epochs in validation: {training.best_epoch}. "
        f"Seed {said(recipe, 'seed')}. Device: {said(environment, 'device')}, torch {said(environment, 'torch')}.\n\n"
        f"Reproduce with {code(training.command)}; recipe, split, log and versions are in `docs/training`."
    )


def _images(contract: Contract) -> str:
    """Return the lines on the input and output images of a model."""
    lines = []
    if isinstance(contract, GenerationContract):
        size = " × ".join(map(str, contract.matrix))
        lines.append(f"Input: a random vector of {contract.noise} numbers." if contract.noise else "")
        where = f"of {size} {'pixels' if len(contract.matrix) == 2 else 'voxels'}"
    else:
        where = "on the grid of the input" if len(contract.inputs) == 1 else "on the grid of the first input"
    lines += [
        f"Input{_named(role, contract.inputs)}: {modality_name(side.modality)} in {markdown(side.unit)}"
        f"{' (optional)' * side.optional}."
        for role, side in contract.inputs.items()
    ]
    lines += [
        f"Output{_named(role, contract.outputs)}: {modality_name(side.modality)} in "
        f"{'colours' if side.colours else markdown(side.unit)}, {where}."
        for role, side in contract.outputs.items()
    ]
    lines += [
        f"Body region: {markdown(', '.join(contract.body_region)) or 'not stated'}.",
        f"Grid of the network: {_spacing(contract.spacing)}.",
    ]
    return "\n".join(f"- {line}" for line in lines if line)


def _named(role: str, images: Mapping[str, Side]) -> str:
    """Return the role by which an image is given, where there are several; empty for a single image."""
    return f" {code(role)}" if len(images) > 1 else ""


def _usual_error(card: SynthesisCard) -> list[str]:
    """Return the sections on a model's usual error at a value, or why it is not known."""
    unit = card.contract.output.unit
    if not card.error_known:
        return [f"## Usual error\n\nNot known{card.few_validated}."]
    return [
        "## Usual error\n\nBy the synthetic value alone, whatever the patient and the place; it is not an upper bound."
        "\n\n" + _curve(card.error_curve, unit),
        *(
            f"At a dose reduced by a factor of {factor:g}:\n\n" + _curve(curve, unit)
            for factor, curve in zip(card.contract.dose_factors, card.dose_error_curves, strict=False)
        ),
    ]


def _spacing(spacing: tuple[float, float, float] | None) -> str:
    return " × ".join(f"{step:g}" for step in spacing) + " mm" if spacing else "same as the input"


def _results(card: SynthesisCard | GenerationCard) -> str:
    if not card.metrics:
        return "Not stated."
    output = card.contract.output
    conditions = validated(output.unit, output.intensity.span)
    found = {split: todays_scores(scores) for split, scores in card.metrics.items()}
    names = list(dict.fromkeys(name for scores in found.values() for name in scores))
    rows = [[split, *(cell(name, scores.get(name)) for name in names)] for split, scores in found.items()]
    intro = f"Mean over cases, on the network's grid. {markdown(conditions.said())}"
    table = _table(["split", *map(conditions.head, names)], rows)
    return "\n".join([intro, *_over_outputs(card.contract.outputs), "", *table])


def _over_outputs(outputs: Mapping[str, Side]) -> list[str]:
    """Return the line that says how the results of several outputs are combined; [] for a single output."""
    if len(outputs) == 1:
        return []
    first, every = code(next(iter(outputs))), " and ".join(map(code, outputs))
    if comparable(outputs.values()):
        return [f"Each metric is the mean over {every}."]
    return [
        f"Metrics in the unit of the image, and the data range stated, are those of {first}; all other metrics are "
        f"means over {every}."
    ]


def _comparison(card: SynthesisCard | GenerationCard) -> str:
    contract = card.contract
    given = next((side.modality for side in contract.inputs.values()), "")
    conditions = compared(given, contract.output.modality, contract.output.unit)
    rows = [todays_comparison(row) for row in card.comparison]
    names = [key.removesuffix("_mean") for key in rows[0] if key.endswith("_mean")]
    cells = [
        [str(row["method"]), *(cell(name, row.get(f"{name}_mean"), row.get(f"{name}_sd")) for name in names)]
        for row in rows
    ]
    intro = (
        f"Test cases, on the input's grid: mean ± standard deviation over cases. {markdown(conditions.said())}".rstrip()
    )
    return "\n".join([intro, "", *_table(["method", *map(conditions.head, names)], cells)])


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    first, *others = (f"| {' | '.join(map(markdown, line))} |" for line in (heads, *rows))
    return [first, "|---" * len(heads) + "|", *others]


def _curve(curve: tuple[tuple[float, float], ...], unit: str) -> str:
    heads = [f"synthetic value ({unit})", f"root mean square error in validation ({unit})"]
    return "\n".join(_table(heads, [[f"{value:.2f}", f"{error:.2f}"] for value, error in curve]))
