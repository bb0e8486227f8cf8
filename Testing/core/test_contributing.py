"""The examples in CONTRIBUTING.md work in a copy of the sources, and its map agrees with the import test."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import phantom_body_pet, phantom_ct, write_manifest
from test_imports import PACKAGE, STOREYS, modules, room

from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import write_volume

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(heading: str) -> list[tuple[str, str, str]]:
    """Return language, path ("" for none) and content of each block below a heading."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [(language, path, content) for language, path, content in BLOCK.findall(section)]


def patch(path: Path, change: str) -> None:
    """Add the lines with + below the line before them, and remove those with -; each of these is there once."""
    lines = path.read_text(encoding="utf-8").splitlines()
    place = -1
    for line in change.splitlines():
        mark, content = line[:1], line[1:]
        if mark == "+":
            place += 1
            lines.insert(place, content)
            continue
        assert lines.count(content) == 1, f"{path.name} has the line {lines.count(content)} times: {content}"
        place = lines.index(content)
        if mark == "-":
            del lines[place]
            place -= 1
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


class Checkout:
    """A copy of the sources that a contributor changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignored = shutil.ignore_patterns("__pycache__")
        for part in ("medsynth_core", "Resources", "Testing/core"):
            shutil.copytree(ROOT / part, folder / part, ignore=ignored)
        command = folder / "bin" / "medsynth"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m medsynth_core "$@"\n', encoding="utf-8")
        command.chmod(0o755)

    def follow(self, heading: str, languages: tuple[str, ...] = ("python", "diff", "yaml")) -> set[str]:
        """Do what a section says, and return the files that were touched."""
        touched = set()
        for language, path, content in blocks(heading):
            if not path or language not in languages:
                continue
            touched.add(path)
            if language == "diff":
                patch(self.folder / path, content)
            else:
                assert not (self.folder / path).exists()
                (self.folder / path).write_text(content, encoding="utf-8")
        return touched

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command in the copy and with its package."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(self.folder)}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    def output(self, *command: str | Path) -> str:
        """Run a command that must succeed and return what it printed."""
        done = self.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


def map_of_storeys() -> list[set[str]]:
    """Return the folders and modules of each layer in the table of CONTRIBUTING.md, from the lowest up."""
    table = TEXT.split("\n| layer |")[1].split("\n\n")[0]
    storeys: list[set[str]] = []
    for line in table.splitlines()[2:]:
        number, names, _ = (cell.strip() for cell in line.strip("|").split("|"))
        if number:
            assert int(number) == len(storeys) + 1
            storeys.append(set())
        storeys[-1] |= set(re.findall(r"`(\w+)/?`", names))
    return storeys


def test_the_map_shows_every_folder_in_the_storey_of_the_import_test():
    there = {room(name) for name in modules(PACKAGE)} - {"__main__", "__init__"}
    assert map_of_storeys() == [storey & there for storey in STOREYS if storey & there]


def test_the_map_writes_folders_with_a_slash_and_modules_without():
    table = TEXT.split("\n| layer |")[1].split("\n\n")[0]
    for line in table.splitlines()[2:]:
        for name, slash in re.findall(r"`(\w+)(/?)`", line.split("|")[2]):
            assert (PACKAGE / name).is_dir() == bool(slash), name


def test_every_example_is_lint_clean(tmp_path):
    for language, path, content in BLOCK.findall(TEXT):
        if language == "python":
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(content, encoding="utf-8")
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "."], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_a_network(checkout):
    assert len(checkout.follow("Add a network")) == 2
    listed = json.loads(checkout.output("medsynth", "networks", "--json"))
    (toy,) = [network for network in listed if network["name"] == "toy"]
    assert toy["options"] == {"in_channels": 1, "out_channels": 1, "channels": 8}
    assert toy["parameters"] == (9 + 1) * 8 + 9 * 8 + 1
    tests = "Testing/core/networks/test_networks.py"
    done = checkout.output(sys.executable, "-m", "pytest", tests, "-v", "-p", "no:cacheprovider", "-k", "[toy]")
    assert "2 passed" in done


def test_an_experiment(checkout):
    assert len(checkout.follow("Add an experiment")) == 2
    random = np.random.default_rng(0)
    rows = []
    for number in range(3):
        full = phantom_body_pet(number)
        noisy = np.maximum(full.voxels + random.normal(0, 0.5, full.shape), 0).astype(np.float32)
        write_volume(full, checkout.folder / f"full{number}.nii.gz")
        write_volume(full.replace(voxels=noisy), checkout.folder / f"low{number}.nii.gz")
        rows.append({"case": f"P{number}", "low": f"low{number}.nii.gz", "full": f"full{number}.nii.gz"})
    with (checkout.folder / "cases.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert "smoothing" in checkout.output("medsynth", "reproduce", "--help")
    checkout.output("medsynth", "reproduce", "smoothing", "--data", "cases.csv", "--output", "out")
    low, filtered = csv.DictReader((checkout.folder / "out" / "results.csv").open())
    assert (low["method"], filtered["method"]) == ("low dose", "Gaussian, 2 mm")
    assert float(filtered["psnr_mean"]) > float(low["psnr_mean"])
    assert len(list(csv.DictReader((checkout.folder / "out" / "cases.csv").open()))) == 6


@pytest.mark.slow
def test_a_model(checkout):
    checkout.follow("Add a network")
    assert checkout.follow("Add a model") == {"Resources/Recipes/toy.yaml"}
    write_manifest(checkout.folder).rename(checkout.folder / "cases.csv")
    (commands,) = [content for language, _, content in blocks("Add a model") if language == "bash"]
    assert "CT to PET, toy" in checkout.output("bash", "-euo", "pipefail", "-c", commands)
    listed = json.loads(checkout.output("medsynth", "models", "list", "--json"))
    assert "toy" in [model["name"] for model in listed]
    write_volume(phantom_ct(seed=7), checkout.folder / "new.nii.gz")
    checkout.output("medsynth", "synthesize", "new.nii.gz", "pet.nii.gz", "--model", "toy")
    made = read_volume(checkout.folder / "pet.nii.gz")
    assert made.unit == "SUVbw" and made.same_grid(phantom_ct()) and made.voxels.max() > 0


def test_a_dicom_quirk(checkout):
    tests = ("Testing/core/io/test_suv_families.py", "-p", "no:cacheprovider", "-k", "Ti-45")
    checkout.follow("Add a DICOM quirk")
    assert "2 passed" in checkout.output(sys.executable, "-m", "pytest", *tests, "-v")
    # Without the line in the rules the family is refused: it is that line which reads it.
    rules = "medsynth_core/io/suv/radionuclide.py"
    shutil.copyfile(ROOT / rules, checkout.folder / rules)
    done = checkout.run(sys.executable, "-m", "pytest", *tests)
    assert done.returncode == 1 and "Radionuclide Half Life (0018,1075) is missing" in done.stdout


def test_a_metric(checkout):
    assert checkout.follow("Add a metric") == {"medsynth_core/metrics/bias.py", "medsynth_core/metrics/registry.py"}
    full = phantom_body_pet()
    write_volume(full, checkout.folder / "full.nii.gz")
    write_volume(full.replace(voxels=full.voxels + 0.25), checkout.folder / "higher.nii.gz")
    found = json.loads(checkout.output("medsynth", "evaluate", "higher.nii.gz", "full.nii.gz", "--json"))
    assert found["metrics"]["bias"] == pytest.approx(0.25)
    printed = checkout.output("medsynth", "evaluate", "higher.nii.gz", "full.nii.gz", "--unit", "SUVbw")
    (line,) = [line for line in printed.splitlines() if "Mean error" in line]
    assert "SUVbw" in line and "nearest to 0 is best" in line


@pytest.mark.slow
def test_epochs_can_be_chosen_by_a_new_metric(checkout):
    for heading in ("Add a network", "Add a metric", "Add a model"):
        checkout.follow(heading)
    recipe = checkout.folder / "Resources" / "Recipes" / "toy.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8") + "choose_by: bias\n", encoding="utf-8")
    write_manifest(checkout.folder).rename(checkout.folder / "cases.csv")
    checkout.output("medsynth", "train", "Resources/Recipes/toy.yaml", "--data", "cases.csv", "--output", "run")
    (epoch,) = csv.DictReader((checkout.folder / "run" / "metrics.csv").open())
    card = (checkout.folder / "run" / "toy" / "docs" / "README.md").read_text(encoding="utf-8")
    assert float(epoch["val_bias"]) != 0 and "Mean error in the body (SUVbw, nearest to 0 is best)" in card


@pytest.mark.slow
def test_a_system(checkout):
    checkout.follow("Add a network")
    checkout.follow("Add a model")
    assert checkout.follow("Add a system") == {
        "medsynth_core/systems/toy.py",
        "medsynth_core/systems/registry.py",
        "Resources/Recipes/toy.yaml",
    }
    write_manifest(checkout.folder).rename(checkout.folder / "cases.csv")
    checkout.output("medsynth", "train", "Resources/Recipes/toy.yaml", "--data", "cases.csv", "--output", "run")
    assert (checkout.folder / "run" / "toy" / "configs" / "metadata.json").is_file()
    (epoch,) = csv.DictReader((checkout.folder / "run" / "metrics.csv").open())
    assert float(epoch["loss"]) > 0
    assert "\nweight: 2.0\n" in (checkout.folder / "run" / "recipe.yaml").read_text(encoding="utf-8")
    preset = checkout.folder / "Resources" / "Recipes" / "toy.yaml"
    preset.write_text(preset.read_text(encoding="utf-8").replace("weight: 2.0", "weigth: 2.0"), encoding="utf-8")
    done = checkout.run("medsynth", "train", "Resources/Recipes/toy.yaml", "--data", "cases.csv", "--output", "other")
    assert done.returncode == 2 and "did you mean 'weight'" in done.stdout + done.stderr
