"""Generated cases through the doors: the command, and the job of the worker behind 3D Slicer."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from medsynth_core import MedSynthError
from medsynth_core.cli.app import app
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.in_memory import generate_cases
from medsynth_core.generation.order import Order
from medsynth_core.io.pictures import read_colour_picture
from medsynth_core.progress import Progress
from medsynth_core.worker.generation_jobs import generate

pytestmark = pytest.mark.slow


def command(*arguments):
    return CliRunner().invoke(app, ["generate", "--device", "cpu", *map(str, arguments)])


def test_the_command_draws_the_class_that_is_asked_for(picture_model, tmp_path):
    given = ("--model", picture_model("acgan"), "--count", 2, "--output", tmp_path / "set", "--json")
    done = command(*given, "--class", "viral")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["made"] == 2
    assert [row["class"] for row in csv.DictReader((tmp_path / "set" / "manifest.csv").open())] == ["viral", "viral"]


def test_the_command_writes_pictures_in_colour(picture_model, tmp_path):
    given = ("--model", picture_model("photographs"), "--count", 1, "--output", tmp_path / "set", "--unfiltered")
    assert command(*given, "--format", "png").exit_code == 0
    assert read_colour_picture(tmp_path / "set" / "case_0001" / "fundus.png").shape == (64, 64, 3)


def job(model, tmp_path, **wish):
    request = {"job": "generate", "model": str(model), "output": str(tmp_path / "out"), "device": "cpu", **wish}
    return generate({"count": 2, "seed": 5, "filtered": False, **request}, Progress())


def test_the_job_hands_over_cases_of_a_class(picture_model, tmp_path):
    model = picture_model("xrays")
    done = job(model, tmp_path, class_name="bacterial")
    order = Order(2, seed=5, filtered=False, class_name="bacterial")
    for made, case in zip(done["cases"], generate_cases(Generator.load(model, "cpu"), order, Progress()), strict=True):
        assert list(made["volumes"]) == ["structure", "xray"] and made["lesion_centre"] is None
        assert np.array_equal(np.load(made["volumes"]["xray"]["voxels"]), case.images["xray"].voxels)
        assert made["volumes"]["xray"]["metadata"]["class"] == "bacterial"
    alone = job(picture_model("acgan"), tmp_path / "alone")
    assert [list(case["volumes"]) for case in alone["cases"]] == [["xray", "vessels"]] * 2
    classes = [case["volumes"]["xray"]["metadata"]["class"] for case in alone["cases"]]
    assert classes == ["normal", "bacterial"] and np.array(alone["cases"][0]["ijk_to_ras"]).shape == (4, 4)


def test_the_job_refuses_colours_which_are_no_volumes(picture_model, tmp_path):
    with pytest.raises(MedSynthError, match="draws images in colour, and volumes have no colours"):
        job(picture_model("photographs"), tmp_path)
