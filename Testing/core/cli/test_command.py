"""The command honours its options, and its exit status tells how it ended."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from builders import phantom_ct, phantom_pet, tiny_recipe, write_manifest

from medsynth_core import Cancelled, read_volume, write_volume
from medsynth_core.recipes.recipe import write_recipe
from medsynth_core.version import __version__

pytestmark = pytest.mark.slow


def medsynth(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "medsynth_core", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A folder with a phantom, and a model that was trained by the command itself."""
    folder = tmp_path_factory.mktemp("case")
    write_volume(phantom_ct(), folder / "ct.nii.gz")
    write_volume(phantom_pet(phantom_ct()), folder / "pet.nii.gz")
    lesion = phantom_ct().replace(voxels=(phantom_ct().voxels > 400).astype(np.uint8))
    write_volume(lesion, folder / "lesion.nii.gz")
    write_recipe(tiny_recipe(epochs=2), folder / "recipe.yaml")
    manifest = write_manifest(folder, ("train", "train", "val", "test", "val", "val"))
    done = medsynth("train", folder / "recipe.yaml", "--data", manifest, "--output", folder / "run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"package": str(folder / "run" / "tiny")}
    return folder


@pytest.fixture
def model(case):
    return case / "run" / "tiny"


def test_synthesize_writes_volume_provenance_uncertainty_and_report(case, model, tmp_path):
    done = medsynth(
        *("synthesize", case / "ct.nii.gz", tmp_path / "out.nii.gz", "--model", model, "--json"),
        *("--uncertainty", tmp_path / "error.nrrd", "--report", tmp_path / "report", "--device", "cpu"),
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["unit"] == "SUVbw" and told["provenance"]["model"] == "tiny"
    ct, result = read_volume(case / "ct.nii.gz"), read_volume(tmp_path / "out.nii.gz")
    assert np.array_equal(result.ijk_to_ras, ct.ijk_to_ras) and result.shape == ct.shape
    assert result.voxels.dtype == np.float32
    assert (result.modality, result.unit) == ("PT", "SUVbw") and result.metadata["synthetic"] is True
    assert result.metadata["limits"] == ["It knows phantoms only."]
    assert (read_volume(tmp_path / "error.nrrd").voxels >= 0).all()
    assert (tmp_path / "report" / "figure.png").read_bytes()[:4] == b"\x89PNG"
    assert json.loads((tmp_path / "report" / "provenance.json").read_text())["weights_sha256"]


def test_for_people_it_prints_what_the_model_cannot_know(case, model, tmp_path):
    done = medsynth("synthesize", case / "ct.nii.gz", tmp_path / "out.mha", "--model", model)
    assert done.returncode == 0
    assert "Not for diagnosis" in done.stdout and "It knows phantoms only." in done.stdout


def test_a_synthetic_pet_is_not_taken_for_a_ct(case, model, tmp_path):
    medsynth("synthesize", case / "ct.nii.gz", tmp_path / "out.nii.gz", "--model", model)
    again = medsynth("synthesize", tmp_path / "out.nii.gz", tmp_path / "again.nii.gz", "--model", model)
    assert again.returncode == 2 and "its modality is PT" in again.stderr


def test_a_figure_does_not_replace_an_image(case):
    before = (case / "ct.nii.gz").read_bytes()
    done = medsynth("evaluate", case / "pet.nii.gz", case / "pet.nii.gz", "--figure", case / "ct.nii.gz")
    assert done.returncode == 2 and "the name of a figure must end with .png" in done.stderr
    assert (case / "ct.nii.gz").read_bytes() == before


def test_evaluate_gives_every_metric_of_the_issue(case, tmp_path):
    done = medsynth(
        *("evaluate", case / "pet.nii.gz", case / "pet.nii.gz", "--json"),
        *("--lesion", case / "lesion.nii.gz", "--unit", "SUVbw", "--figure", tmp_path / "figure.png"),
        *("--source", case / "ct.nii.gz"),
    )
    assert done.returncode == 0, done.stderr
    metrics = json.loads(done.stdout)["metrics"]
    assert {"mae", "rmse", "nrmse_minmax", "psnr", "ssim", "ms_ssim", "suvmax_error"} <= set(metrics)
    assert metrics["mae"] == 0 and metrics["suvmean_error"] == 0
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_evaluate_prints_what_each_metric_is_and_compares_in_the_body(case):
    arguments = ("evaluate", case / "pet.nii.gz", case / "pet.nii.gz", "--unit", "SUVbw", "--region", "body")
    done = medsynth(*arguments, "--source", case / "ct.nii.gz")
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if "│ mae " in line)
    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        *("mae", "MAE", "0", "SUVbw", "in the body", "lower is better")
    ]
    assert "values clipped to 0 to 20 SUVbw" in done.stdout and "The body was found in the source CT." in done.stdout
    told = json.loads(medsynth(*arguments, "--source", case / "ct.nii.gz", "--json").stdout)
    assert told["settings"]["region"] == "body" and told["settings"]["body_from"] == "source CT"
    assert told["described"]["psnr"]["direction"] == "higher is better"
    wrong = medsynth("evaluate", case / "pet.nii.gz", case / "pet.nii.gz", "--region", "head")
    assert wrong.returncode == 2 and "no region 'head'" in wrong.stderr


def test_it_tells_its_version():
    done = medsynth("--version")
    assert (done.returncode, done.stdout) == (0, f"medsynth {__version__}\n")


def test_networks_as_json_has_the_published_counts():
    listed = {network["name"]: network for network in json.loads(medsynth("networks", "--json").stdout)}
    assert listed["cascade-compact"]["parameters"] == 22_129_107
    assert listed["unet256"]["parameters"] == listed["cascade-wide"]["parameters"] == 54_414_531
    assert listed["patchgan2d"]["parameters"] == 2_768_705
    assert set(listed["unet256"]) >= {"name", "options", "parameters", "gflop"}


def test_models_are_exported_verified_imported_and_listed(model, tmp_path):
    here = {"MEDSYNTH_MODELS": str(tmp_path / "library")}
    assert medsynth("models", "export", model, tmp_path / "tiny.zip").returncode == 0
    assert medsynth("models", "verify", tmp_path / "tiny.zip").returncode == 0
    assert medsynth("models", "import", tmp_path / "tiny.zip", **here).returncode == 0
    listed = json.loads(medsynth("models", "list", "--json", **here).stdout)
    assert "tiny" in [summary["name"] for summary in listed]
    assert "knows phantoms only" in medsynth("models", "show", "tiny", **here).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("synthesize", "nothing.nii.gz", "out.nii.gz", "--model", "MODEL"), "no such file"),
        (("synthesize", "CT", "out.nii.gz", "--model", "nothing"), "no model 'nothing'"),
        (("synthesize", "CT", "out.png", "--model", "MODEL"), "must end with"),
        (("synthesize", "CT", "/nowhere/out.nii.gz", "--model", "MODEL"), "does not exist"),
        (("synthesize", "CT", "out.nii.gz", "--model", "MODEL", "--device", "tpu"), "no device 'tpu'"),
        (("synthesize", "CT", "out.nii.gz", "--model", "MODEL", "--batch-size", "0"), "batch size is 0"),
        (("evaluate", "CT", "CT", "--preset", "best"), "preset"),
        (("reproduce", "everything", "--data", "x.csv", "--output", "x"), "no experiment 'everything'"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2_and_leaves_nothing(case, model, tmp_path, arguments, words):
    places = {"CT": case / "ct.nii.gz", "MODEL": model, "out.nii.gz": tmp_path / "out.nii.gz"}
    done = medsynth(*(places.get(argument, argument) for argument in arguments), "--json")
    assert done.returncode == 2, done.stderr
    assert words in done.stderr and "Traceback" not in done.stderr
    assert words in json.loads(done.stdout)["error"]["message"]
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_option_has_status_2():
    assert medsynth("synthesize", "--modle", "x").returncode == 2
    assert medsynth("fly").returncode == 2


@pytest.mark.parametrize("arguments", [("synthesize", "--modle", "x", "--json"), ("fly", "--json")])
def test_a_wrong_option_is_reported_in_json(arguments):
    told = json.loads(medsynth(*arguments).stdout)["error"]
    assert told["kind"] == "input" and told["message"]


@pytest.mark.parametrize(
    ("problem", "status", "kind"),
    [
        (ZeroDivisionError("by design"), 1, "failure"),
        (KeyboardInterrupt(), 130, "cancelled"),
        (Cancelled(), 130, "cancelled"),
    ],
)
def test_every_kind_of_failure_is_reported_in_json(monkeypatch, capsys, problem, status, kind):
    from medsynth_core.cli import app as command

    def end(**_):
        raise problem

    monkeypatch.setattr(command, "app", end)
    monkeypatch.setattr(sys, "argv", ["medsynth", "networks", "--json"])
    assert command.run() == status
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"]["kind"] == kind
    assert ("Traceback" in printed.err) == (status == 1)


@pytest.mark.parametrize("uncertainty", ["ct.nii.gz", "out.nii.gz"])
def test_neither_the_input_nor_another_result_is_written_over(case, model, tmp_path, uncertainty):
    shutil.copyfile(case / "ct.nii.gz", tmp_path / "ct.nii.gz")
    done = medsynth(
        *("synthesize", tmp_path / "ct.nii.gz", tmp_path / "out.nii.gz", "--model", model),
        *("--uncertainty", tmp_path / uncertainty),
    )
    assert done.returncode == 2 and "is named twice" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["ct.nii.gz"]
    assert (tmp_path / "ct.nii.gz").read_bytes() == (case / "ct.nii.gz").read_bytes()


def test_json_survives_a_pipe_of_any_encoding(case, model, tmp_path):
    place = tmp_path / "患者.nii.gz"
    done = medsynth(
        *("synthesize", case / "ct.nii.gz", place, "--model", model, "--json"),
        PYTHONIOENCODING="latin-1",
    )
    assert done.returncode == 0 and json.loads(done.stdout)["output"] == str(place)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for other processes")
def test_interrupting_it_has_status_130_and_leaves_a_checkpoint_only(case, tmp_path):
    write_recipe(tiny_recipe(epochs=9999), tmp_path / "recipe.yaml")
    process = subprocess.Popen(
        [sys.executable, "-m", "medsynth_core", "train", tmp_path / "recipe.yaml"]
        + ["--data", case / "manifest.csv", "--output", tmp_path / "run"],
        stderr=subprocess.PIPE,
        # A shell lets its background jobs ignore this signal, and they hand that down to here.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 300
    while not (tmp_path / "run" / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130
    assert (tmp_path / "run" / "checkpoint.pt").exists() and not (tmp_path / "run" / "tiny").exists()
