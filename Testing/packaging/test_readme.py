"""README and documentation agree with the program, its results and the model cards."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from medsynth_core.experiments import EXPERIMENTS
from medsynth_core.models.card import read_metadata

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "docs" / "results"
TROUBLESHOOTING = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
MODELS = ROOT / "Resources" / "Models"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
# Blocks without a language are not run: they change the system or its environment.
NOT_RUN = {"git", "cd", "pip", "make"}
MOST_WORDS = 900


def results_of(experiment: str) -> str:
    """Return the page of an experiment."""
    return (RESULTS / f"{experiment}.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the README's code blocks in a language ("" for none)."""
    return [content for _, found, content in BLOCK.findall(README) if found == language]


def test_the_readme_is_short():
    assert len(README.split()) <= MOST_WORDS


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith("https://")]
    for link in links:
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [slug(heading) for heading in headings], link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_are_named_exist(page):
    named = re.findall(r"`((?:Resources|Testing|MedSynth|docs)/[\w./-]+)`", page.read_text(encoding="utf-8"))
    # A package has docs/training; a contributor writes toy.yaml.
    for path in set(named) - {"docs/training"}:
        assert (ROOT / path).exists(), path


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in index, page.name


def test_every_experiment_has_a_page_that_the_index_of_results_links():
    index = (RESULTS / "README.md").read_text(encoding="utf-8")
    pages = {page.stem for page in RESULTS.glob("*.md")} - {"README"}
    assert pages == set(EXPERIMENTS)
    for name in EXPERIMENTS:
        assert f"| [{name}.md]({name}.md) | `{name}` |" in index
        assert f"medsynth reproduce {name} --data" in results_of(name)


def test_only_blocks_that_install_or_build_are_not_run():
    commands = [shlex.split(line, comments=True) for block in blocks("") for line in block.splitlines()]
    assert {command[0] for command in commands if command} == NOT_RUN
    assert {language for _, language, _ in BLOCK.findall(README)} == {"", "bash", "python"}


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """Return a folder like a checkout after the installation: with Resources, and `medsynth` on the path."""
    (tmp_path / "Resources").symlink_to(ROOT / "Resources")
    command = tmp_path / "bin" / "medsynth"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m medsynth_core "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return tmp_path


def run(folder: Path, *command: str | Path) -> str:
    """Run a command that must succeed in a folder, with this package, and return what it printed."""
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "Testing" / "slicer"))),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_shell_block_runs(workplace):
    (block,) = blocks("bash")
    run(workplace, "bash", "-euo", "pipefail", "-c", block)
    assert (workplace / "recovered.nii.gz").is_file() and (workplace / "figure.png").stat().st_size > 10_000


@pytest.mark.slow
def test_the_python_block_runs(workplace):
    (block,) = [block for block in blocks("python") if "medsynth_core" in block]
    psnr = float(run(workplace, sys.executable, "-c", block))
    assert psnr > 44
    assert (workplace / "recovered_in_python.nii.gz").is_file()


@pytest.mark.slow
def test_the_page_on_python_runs(workplace):
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    (block,) = [content for _, language, content in BLOCK.findall(text) if language == "python"]
    mae, error = map(float, run(workplace, sys.executable, "-c", block).split())
    assert 0 < mae < 0.5 and 0 < error < 5
    assert (workplace / "synthetic_pet.nii.gz").is_file()


@pytest.mark.slow
def test_the_slicer_block_runs(workplace):
    (block,) = [block for block in blocks("python") if "MedSynthLogic" in block]
    start = "import application; application.start(); application.loadModule('MedSynth')\n"
    printed = run(workplace, sys.executable, "-c", f"{start}{block}\nprint(synthetic.GetName())")
    assert printed.splitlines()[-1] == "Sarcoma CT synthetic PET"


def comparison(model: str) -> dict[str, dict[str, float]]:
    """Return the rows of the comparison in a model's card by method."""
    card = json.loads((MODELS / model / "configs" / "metadata.json").read_text(encoding="utf-8"))
    return {row["method"]: row for row in card["medsynth"]["comparison"]}


def row_of(model: str) -> list[str]:
    """Return the cells of a model's row in the README's table."""
    (row,) = re.findall(rf"^\| `{model}` \|.*$", README, re.MULTILINE)
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_the_table_has_every_bundled_model():
    bundled = {path.name for path in MODELS.iterdir() if path.is_dir()}
    assert set(re.findall(r"^\| `([\w-]+)` \|", README, re.MULTILINE)) == bundled
    for model in bundled:
        card = read_metadata(MODELS / model).medsynth
        _, source, result, trained, _, link = row_of(model)
        if card.kind == "generation":
            assert "random numbers" in source
            assert all(
                side.unit.startswith("T1") or f"in {side.unit}" in result for side in card.contract.outputs.values()
            )
        else:
            assert card.contract.input.unit in source
            assert card.contract.output.unit.replace("T1 (", "").strip(")") in result
        assert f"{len(card.training.split['train'])} patients" in trained
        assert len(card.training.split["test"]) == 6
        assert link == f"[card](Resources/Models/{model}/docs/README.md)"


def test_the_scores_in_the_table_are_those_of_the_cards():
    dose = {name: row["psnr_mean"] for name, row in comparison("low-dose-pet").items() if name.startswith("DRF 20, ")}
    low, best = dose["DRF 20, identity"], max(dose["DRF 20, gaussian"], dose["DRF 20, non-local means"])
    scores = row_of("low-dose-pet")[4]
    assert scores.endswith(f": {dose['DRF 20, low-dose-pet']:.1f} dB (input {low:.1f}, best filter {best:.1f})")
    for model, decimals, unit in (("ct-to-pet", 2, " SUVbw"), ("ct-to-mr", 1, "")):
        found = comparison(model)
        made, table = (found[name]["mae_mean"] for name in (model, "look-up table, median"))
        assert row_of(model)[4].endswith(f": {made:.{decimals}f}{unit} (look-up table {table:.{decimals}f})")


def test_the_distance_of_generated_images_is_that_of_the_card():
    card = read_metadata(MODELS / "multimodal-sts").medsynth
    assert row_of("multimodal-sts")[4] == f"mean FID: {card.metrics['test']['fid']:.1f}"


def program_text() -> str:
    """Return all strings of the program: literals side by side are one, and what is filled in is …"""
    folders = ("medsynth_core", "MedSynth", "MedSynthTrain")
    sources = [path.read_text("utf-8") for folder in folders for path in (ROOT / folder).rglob("*.py")]
    joined = re.sub(r"\"\s*\n\s*f?\"", "", "\n".join(sources))
    return re.sub(r"\{[^{}]*\}", "…", joined)


def test_quoted_messages_are_said_by_the_program():
    quoted = re.findall(r"^\| \*([^*|]+)\* \|", TROUBLESHOOTING, re.MULTILINE)
    said = program_text()
    assert len(quoted) >= 6
    for message in quoted:
        for part in re.split(r"\(…\)|…", message):
            assert part.strip(" .;,") in said, message


def test_the_table_is_the_one_in_the_models_package():
    rows = list(csv.DictReader((MODELS / "ct-to-pet" / "docs" / "results.csv").open()))
    for row in rows:
        shown = f"| {float(row['mae_mean']):.2f} ± {float(row['mae_sd']):.2f} | {float(row['psnr_mean']):.1f} ± "
        assert shown in results_of("ct-to-pet-baseline"), row["method"]


def test_the_low_dose_model_beats_every_filter_and_keeps_lesions_better_than_a_gaussian():
    rows = csv.DictReader((MODELS / "low-dose-pet" / "docs" / "results.csv").open())
    found = {(row["method"], float(row["drf"])): row for row in rows}
    for factor in (4.0, 10.0, 20.0, 50.0, 100.0):
        psnr = {method: float(row["psnr_mean"]) for (method, drf), row in found.items() if drf == factor}
        assert psnr["low-dose-pet"] > max(psnr["identity"], psnr["gaussian"], psnr["non-local means"])
        error = {name: float(found[name, factor]["suvmean_error_size_mean"]) for name in ("gaussian", "low-dose-pet")}
        assert error["low-dose-pet"] < error["gaussian"]
        assert abs(float(found["low-dose-pet", factor]["activity_ratio_mean"]) - 1) < 0.02


def test_the_low_dose_model_keeps_the_activity_of_every_patient_at_every_dose():
    for cases, count in ((RESULTS / "low-dose-pet", 6), (RESULTS / "whole-body-pet", 1)):
        kept: dict[str, dict[tuple[str, str], float]] = {"identity": {}, "low-dose-pet": {}}
        for row in csv.DictReader((cases / "cases.csv").open()):
            if row["method"] in kept:
                kept[row["method"]][row["case"], row["drf"]] = float(row["activity_ratio"])
        assert len(kept["low-dose-pet"]) == 5 * count
        for scan, ratio in kept["low-dose-pet"].items():
            # Reconstructing a low dose loses activity, which a model may give back or not.
            full, low = 1.0, kept["identity"][scan]
            assert 0.98 * min(full, low) < ratio < 1.02 * max(full, low), scan


def test_the_results_quoted_are_those_of_the_experiments():
    for experiment, decimals in (("ct-to-pet-systems", 3), ("ct-to-mr-systems", 1)):
        rows = list(csv.DictReader((RESULTS / experiment / "results.csv").open()))
        assert len(rows) >= 4
        for row in rows:
            mean, sd, psnr = (float(row[key]) for key in ("mae_mean", "mae_sd", "psnr_mean"))
            text = results_of(experiment)
            assert f"| {mean:.{decimals}f} ± {sd:.{decimals}f} | {psnr:.2f} ± " in text, row["method"]
            assert f"| {row['method']} |" in text


def test_the_low_dose_results_quoted_are_those_of_the_experiments():
    for experiment, methods in (("low-dose-pet", 14), ("whole-body-pet", 10)):
        rows = list(csv.DictReader((RESULTS / experiment / "results.csv").open()))
        assert {float(row["drf"]) for row in rows} == {4.0, 10.0, 20.0, 50.0, 100.0} and len(rows) == 5 * methods
        for row in rows:
            cells = [
                _cell(row, metric, decimals) for metric, decimals in (("psnr", 2), ("ssim", 4), ("nrmse_minmax", 5))
            ]
            assert f"| {float(row['drf']):g} | {row['method']} | {' | '.join(cells)} | " in results_of(experiment)
    for row in csv.DictReader((RESULTS / "low-dose-pet" / "ablation.csv").open()):
        assert (
            f"| {row['variant']} | {row['method']} | {_cell(row, 'psnr', 2)} | {_cell(row, 'ssim', 3)} | "
            in results_of("low-dose-pet")
        )


def _cell(row: dict[str, str], metric: str, decimals: int) -> str:
    """Return the mean of a metric, with its standard deviation where there are several cases."""
    shown = f"{float(row[f'{metric}_mean']):.{decimals}f}"
    return f"{shown} ± {float(row[f'{metric}_sd']):.{decimals}f}" if row[f"{metric}_sd"] else shown


def test_the_model_that_ships_is_the_one_in_the_comparison():
    """Its rows in the comparison of systems are those in its card."""
    folders = (RESULTS / "low-dose-pet", MODELS / "low-dose-pet" / "docs")
    committed, shipped = (
        [row for row in csv.DictReader((folder / "results.csv").open()) if row["method"] == "low-dose-pet"]
        for folder in folders
    )
    assert len(committed) == 5 and committed == shipped
