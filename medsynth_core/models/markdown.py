"""The model card as a text for people."""

from __future__ import annotations

from math import nan

from medsynth_core.models.card import Card, Metadata
from medsynth_core.preparation.contract import MODALITY_NAMES

# What the columns of a comparison are called.
COLUMNS = {
    "mae": "MAE in the body",
    "psnr": "PSNR, full frame (dB)",
    "ssim": "SSIM",
    "ms_ssim": "MS-SSIM",
    "suvmax_error_size": "size of lesion SUVmax error (%)",
    "suvmean_error_size": "size of lesion SUVmean error (%)",
    "nrmse": "NRMSE (%)",
    "activity_ratio": "activity in the body over the full dose's",
    "lesion_mae": "MAE in the lesion",
    "mae_255": "MAE in grey levels (Dong et al.)",
    "ssim_255": "SSIM of slices (Dong et al.)",
}
# Where PSNR and the similarities of an MR are measured.
MR_COLUMNS = {"mae": "MAE in the body (MR field)", "psnr": "PSNR, body in the MR field (dB)"}


def card_text(metadata: Metadata) -> str:
    """Return the model card in Markdown: everything in it comes from the metadata."""
    card = metadata.medsynth
    contract, training = card.contract, card.training
    sections = [
        f"# {card.title}\n\n{metadata.description}",
        "## What it cannot know\n\n" + "\n".join(f"- {limit}" for limit in card.limits),
        f"## Intended use\n\n{metadata.intended_use}",
        "## Input and output\n\n"
        f"- Input: {MODALITY_NAMES[contract.input.modality]} in {contract.input.unit}; "
        f"region: {', '.join(contract.body_region) or 'any'}.\n"
        f"- Output: {MODALITY_NAMES[contract.output.modality]} in {contract.output.unit}, "
        "on the grid of the input.\n"
        f"- Grid of the network: {_spacing(contract.spacing)}.",
        f"## Network\n\n`{card.network.name}` with {card.network.options}; weights in {card.weights.precision}, "
        f"SHA-256 `{card.weights.sha256}`.",
        f"## Results\n\n{_results(card.metrics, contract.output.unit)}",
        *([f"## Against baselines\n\n{_comparison(card)}"] if card.comparison else []),
        "## Uncertainty\n\n" + _curve(card.error_curve, contract.output.unit),
        *(
            f"At a dose reduced by a factor of {factor:g}:\n\n" + _curve(curve, contract.output.unit)
            for factor, curve in zip(contract.dose_factors, card.dose_error_curves, strict=False)
        ),
        "## Training\n\n"
        f"Cases: {', '.join(f'{len(names)} {split}' for split, names in training.split.items() if names)}. "
        f"Best of {training.recipe.get('epochs', '?')} epochs by validation: {training.best_epoch}. "
        f"Seed {training.recipe.get('seed', '?')}. Device: {training.environment.get('device', '?')}, "
        f"torch {training.environment.get('torch', '?')}.\n\n"
        f"Made again by `{training.command}`; recipe, split, log and versions are in `docs/training`.",
        f"## Licence\n\nWeights: {card.licence}. Data: {card.data_licence}",
    ]
    if metadata.references:
        sections.append("## References\n\n" + "\n".join(f"- {reference}" for reference in metadata.references))
    return "\n\n".join(sections) + "\n"


def _spacing(spacing: tuple[float, float, float] | None) -> str:
    return " × ".join(f"{step:g}" for step in spacing) + " mm" if spacing else "that of the input"


def _results(metrics: dict[str, dict[str, float]], unit: str) -> str:
    lines = ["| split | MAE in the body | PSNR, whole slices |", "|---|---|---|"]
    lines += [
        f"| {split} | {scores.get('mae', nan):.3f} {unit} | {scores.get('psnr', nan):.2f} dB |"
        for split, scores in metrics.items()
    ]
    return "\n".join(["Mean over cases, on the grid of the network.", "", *lines])


def _comparison(card: Card) -> str:
    rows = card.comparison
    names = {**COLUMNS, **(MR_COLUMNS if card.contract.output.modality == "MR" else {})}
    metrics = [key.removesuffix("_mean") for key in rows[0] if key.endswith("_mean")]
    lines = [f"| method | {' | '.join(names.get(metric, metric) for metric in metrics)} |"]
    lines.append("|---" * (len(metrics) + 1) + "|")
    for row in rows:
        cells = [f"{row[f'{metric}_mean']:.3f} ± {row[f'{metric}_sd']:.3f}" for metric in metrics]
        lines.append(f"| {row['method']} | {' | '.join(cells)} |")
    return "\n".join(["Test cases, on the grid of each input: mean ± standard deviation over cases.", "", *lines])


def _curve(curve: tuple[tuple[float, float], ...], unit: str) -> str:
    lines = [f"| synthetic value ({unit}) | root mean square error in validation ({unit}) |", "|---|---|"]
    return "\n".join([*lines, *(f"| {value:.2f} | {error:.2f} |" for value, error in curve)])
