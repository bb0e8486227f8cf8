"""What the README quotes is what the program says and what the results are."""

from __future__ import annotations

import csv
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODEL = ROOT / "Resources" / "Models" / "ct-to-pet"


def program_text() -> str:
    """Return all strings of the program: literals side by side are one, and what is filled in is …"""
    folders = ("medsynth_core", "MedSynth", "MedSynthTrain")
    sources = [path.read_text("utf-8") for folder in folders for path in (ROOT / folder).rglob("*.py")]
    joined = re.sub(r"\"\s*\n\s*f?\"", "", "\n".join(sources))
    return re.sub(r"\{[^{}]*\}", "…", joined)


def test_quoted_messages_are_said_by_the_program():
    quoted = re.findall(r"^\| \*([^*|]+)\* \|", README, re.MULTILINE)
    said = program_text()
    assert len(quoted) >= 6
    for message in quoted:
        for part in re.split(r"\(…\)|…", message):
            assert part.strip(" .;,") in said, message


def test_the_table_is_the_one_in_the_models_package():
    rows = list(csv.DictReader((MODEL / "docs" / "results.csv").open()))
    for row in rows:
        shown = f"| {float(row['mae_mean']):.2f} ± {float(row['mae_sd']):.2f} | {float(row['psnr_mean']):.1f} ± "
        assert shown in README, row["method"]


def test_the_low_dose_tables_are_those_in_the_models_package():
    rows = list(csv.DictReader((ROOT / "Resources" / "Models" / "low-dose-pet" / "docs" / "results.csv").open()))
    methods = ("identity", "gaussian", "non-local means", "low-dose-pet")
    for method in methods:
        for metric in ("psnr", "suvmean_error_size", "suvmax_error_size"):
            found = [
                (float(row[f"{metric}_mean"]), float(row[f"{metric}_sd"])) for row in rows if row["method"] == method
            ]
            assert len(found) == 5 and " | ".join(f"{mean:.1f} ± {sd:.1f}" for mean, sd in found) in README


def test_the_low_dose_model_beats_every_filter_and_keeps_lesions_better_than_a_gaussian():
    rows = csv.DictReader((ROOT / "Resources" / "Models" / "low-dose-pet" / "docs" / "results.csv").open())
    found = {(row["method"], float(row["drf"])): row for row in rows}
    for factor in (4.0, 10.0, 20.0, 50.0, 100.0):
        psnr = {method: float(row["psnr_mean"]) for (method, drf), row in found.items() if drf == factor}
        assert psnr["low-dose-pet"] > max(psnr["identity"], psnr["gaussian"], psnr["non-local means"])
        error = {name: float(found[name, factor]["suvmean_error_size_mean"]) for name in ("gaussian", "low-dose-pet")}
        assert error["low-dose-pet"] < error["gaussian"]
        assert abs(float(found["low-dose-pet", factor]["activity_ratio_mean"]) - 1) < 0.02


def test_the_low_dose_model_keeps_the_activity_of_every_patient_at_every_dose():
    results = ROOT / "docs" / "results"
    for cases, count in ((results / "low-dose-pet", 6), (results / "whole-body-pet", 1)):
        kept: dict[str, dict[tuple[str, str], float]] = {"identity": {}, "low-dose-pet": {}}
        for row in csv.DictReader((cases / "cases.csv").open()):
            if row["method"] in kept:
                kept[row["method"]][row["case"], row["drf"]] = float(row["activity_ratio"])
        assert len(kept["low-dose-pet"]) == 5 * count
        for scan, ratio in kept["low-dose-pet"].items():
            # Reconstructing a low dose loses activity, which a model may give back or not.
            full, low = 1.0, kept["identity"][scan]
            assert 0.98 * min(full, low) < ratio < 1.02 * max(full, low), scan


def test_pictures_and_files_that_it_names_exist():
    named = re.findall(r"\]\((Resources/[^)]+)\)|`((?:Resources|Testing|MedSynth)/[\w./-]+)`", README)
    paths = [first or second for first, second in named]
    assert len(paths) >= 4
    for path in paths:
        assert (ROOT / path).exists(), path


def test_the_results_quoted_are_those_of_the_experiments():
    results = ROOT / "docs" / "results"
    text = (results / "README.md").read_text(encoding="utf-8")
    for experiment, decimals in (("ct-to-pet-systems", 3), ("ct-to-mr-systems", 1)):
        rows = list(csv.DictReader((results / experiment / "results.csv").open()))
        assert len(rows) >= 4
        for row in rows:
            mean, sd, psnr = (float(row[key]) for key in ("mae_mean", "mae_sd", "psnr_mean"))
            assert f"| {mean:.{decimals}f} ± {sd:.{decimals}f} | {psnr:.2f} ± " in text, row["method"]
            assert f"| {row['method']} |" in text


def test_the_low_dose_results_quoted_are_those_of_the_experiments():
    results = ROOT / "docs" / "results"
    text = (results / "README.md").read_text(encoding="utf-8")
    for experiment in ("low-dose-pet", "whole-body-pet"):
        rows = list(csv.DictReader((results / experiment / "results.csv").open()))
        assert {float(row["drf"]) for row in rows} == {4.0, 10.0, 20.0, 50.0, 100.0} and len(rows) == 50
        for row in rows:
            cells = [_cell(row, metric, decimals) for metric, decimals in (("psnr", 2), ("ssim", 4), ("nrmse", 3))]
            assert f"| {float(row['drf']):g} | {row['method']} | {' | '.join(cells)} | " in text, row
    for row in csv.DictReader((results / "low-dose-pet" / "ablation.csv").open()):
        assert f"| {row['variant']} | {row['method']} | {_cell(row, 'psnr', 2)} | {_cell(row, 'ssim', 3)} | " in text


def _cell(row: dict[str, str], metric: str, decimals: int) -> str:
    """Return the mean of a metric, with its standard deviation where there are several cases."""
    shown = f"{float(row[f'{metric}_mean']):.{decimals}f}"
    return f"{shown} ± {float(row[f'{metric}_sd']):.{decimals}f}" if row[f"{metric}_sd"] else shown


def test_the_model_that_ships_is_the_one_in_the_comparison():
    """Its rows in the comparison of systems are those in its card."""
    folders = (ROOT / "docs" / "results" / "low-dose-pet", ROOT / "Resources" / "Models" / "low-dose-pet" / "docs")
    committed, shipped = (
        [row for row in csv.DictReader((folder / "results.csv").open()) if row["method"] == "low-dose-pet"]
        for folder in folders
    )
    assert len(committed) == 5 and committed == shipped
