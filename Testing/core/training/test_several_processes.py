"""Two processes train like one: each slice once, the same metrics, interchangeable checkpoints."""

import csv
import os
import shutil
import socket
import subprocess
import sys

import pytest
import torch
from builders import dose_recipe, tiny_recipe, write_dose_manifest, write_manifest
from safetensors.torch import load_file
from warm_process import WarmProcess

from medsynth_core import Cancelled, load_model, train
from medsynth_core.datasets.manifest import read_manifest, split_of
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import write_recipe
from medsynth_core.training.batches import Batches
from medsynth_core.training.prepared_cases import load_cases
from medsynth_core.training.run_watch import RunWatch

pytestmark = pytest.mark.slow

pytest.importorskip("accelerate")

# No statistics of batches and no chance inside the network, which differ between processes.
NETWORK = {"name": "residual-unet", "options": {"in_channels": 1, "out_channels": 1, "channels": [4, 8, 8]}}
RECIPE = {
    "network": NETWORK,
    "discriminator": {"name": "patchgan2d", "options": {"in_channels": 2, "channels": 4, "layers": 0}},
    "loss": {"l1": 1.0, "adversarial": 0.05},
    "optimiser": {"learning_rate": 0.003, "clip_norm": 1.0},
    "epochs": 4,
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_manifest(tmp_path_factory.mktemp("data"), ("train", "train", "val", "val", "val", "test"))


def words(recipe, manifest, output, *more, device="cpu"):
    """Return the words of the command after ``medsynth``."""
    write_recipe(recipe, manifest.with_name("recipe.yaml"))
    given = ["train", str(manifest.with_name("recipe.yaml")), "--data", str(manifest), "--output", str(output)]
    return [*given, "--device", device, "--json", *more]


def launch(*given, **options):
    """Train in two processes as people start them."""
    # --multi_gpu is Accelerate's word for several processes on a machine; the device of the training says CPU.
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launcher += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command = [*launcher, "-m", "medsynth_core", *words(*given, **options)]
    return subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)


def two_ranks(folder, *given):
    """Train in two processes that know of each other as those of a launcher do, and return what they printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    command, printed = words(*given), [folder / f"rank-{rank}.txt" for rank in range(2)]
    ranks = [
        WarmProcess("medsynth_core", command, {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}, file)
        for rank, file in enumerate(printed)
    ]
    statuses = [rank.wait() for rank in ranks]
    return statuses, "".join(file.read_text() for file in printed)


def rows(folder):
    return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader((folder / "metrics.csv").open())]


def same(a, b, rel=2e-3):
    for one, two in zip(a, b, strict=True):
        for name in set(one) - {"seconds"}:
            assert one[name] == pytest.approx(two[name], rel=rel), name


@pytest.fixture(scope="module")
def two(manifest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two") / "run"
    done = launch(tiny_recipe(**RECIPE), manifest, folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"package"') == 1, "only the first process prints"
    return folder


@pytest.fixture(scope="module")
def one(manifest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("one") / "run"
    train(tiny_recipe(**RECIPE), manifest, folder, device="cpu")
    return folder


def test_two_processes_have_the_metrics_of_one(one, two):
    same(rows(one), rows(two))
    assert RunWatch(two).events()[0]["processes"] == 2
    assert (two / "tiny" / "configs" / "metadata.json").exists()
    whole, shared = load_file(one / "best.safetensors"), load_file(two / "best.safetensors")
    # Biases before a normalisation have gradients of pure rounding error, which Adam makes as large as any other.
    for name in (name for name, value in whole.items() if value.ndim > 1):
        torch.testing.assert_close(whole[name], shared[name], rtol=0.02, atol=2e-3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU the processes would take it")
def test_processes_of_a_gpu_launcher_train_together_on_the_cpu(manifest, tmp_path):
    done = launch(tiny_recipe(**{**RECIPE, "epochs": 1}), manifest, tmp_path / "run", device="auto")
    assert done.returncode == 0, done.stderr
    assert "Another process is training" not in done.stderr
    events = RunWatch(tmp_path / "run").events()
    assert events[0]["processes"] == 2 and [event["event"] for event in events].count("done") == 1


def test_two_processes_see_every_slice_once(manifest):
    recipe = tiny_recipe(**RECIPE)
    pairs = load_cases(split_of(read_manifest(manifest, ("ct", "pet")), "train"), recipe, Progress())
    whole = list(Batches(pairs, recipe, (1, 1)).epoch(3))
    shares = [list(Batches(pairs, recipe, (1, 1), (rank, 2)).epoch(3)) for rank in range(2)]
    for batch, *parts in zip(whole, *shares, strict=True):
        # Each process has every second slice of the batch, changed as it is for one process.
        for rank, part in enumerate(parts):
            assert torch.equal(batch.image[rank::2], part.image) and torch.equal(batch.target[rank::2], part.target)
    ahead = Batches(pairs, recipe, (1, 1), workers=2)
    for batch, other in zip(whole, ahead.epoch(3), strict=True):
        assert torch.equal(batch.image, other.image) and batch.cases == other.cases
    for batch, other in zip(whole[2:], ahead.epoch(3, start=2), strict=True):
        assert torch.equal(batch.target, other.target)
    assert sum(len(batch.image) for batch in whole) == sum(len(pair.voxels) for pair in pairs)


def test_a_run_can_continue_with_another_number_of_processes(manifest, one, tmp_path):
    def stop(fraction, message):
        if message == "Epoch 3 of 4":
            raise Cancelled

    with pytest.raises(Cancelled):
        train(tiny_recipe(**RECIPE), manifest, tmp_path / "by_one", device="cpu", progress=stop)
    shutil.copytree(tmp_path / "by_one", tmp_path / "by_two")
    statuses, printed = two_ranks(tmp_path, tiny_recipe(**RECIPE), manifest, tmp_path / "by_two", "--resume")
    assert statuses == [0, 0], printed
    same(rows(one), rows(tmp_path / "by_two"))

    statuses, printed = two_ranks(tmp_path, tiny_recipe(**{**RECIPE, "epochs": 2}), manifest, tmp_path / "begun")
    assert statuses == [0, 0], printed
    recipe = tmp_path / "begun" / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("epochs: 2", "epochs: 4"))
    train(tiny_recipe(**RECIPE), manifest, tmp_path / "begun", device="cpu", resume=True)
    same(rows(one), rows(tmp_path / "begun"))


def test_a_batch_that_cannot_be_shared_is_refused(manifest, tmp_path):
    statuses, printed = two_ranks(tmp_path, tiny_recipe(**{**RECIPE, "batch_size": 3}), manifest, tmp_path / "run")
    assert all(statuses)
    assert "batch of 3 slices cannot be divided evenly between 2 processes" in printed
    assert not (tmp_path / "run").exists()


# Contextual-Net has no statistics of batches either; ML-Net has, and its doses are told apart on top.
DOSES = {
    "local": {"system": "paired", "network": {"name": "contextual3d", "options": {"channels": 4}}, "loss": {"l1": 1.0},
              "coarse_epochs": 0, "epochs": 2, "optimiser": {"learning_rate": 0.003}},
    "cg3dsrgan": {"discriminator": {"name": "patchgan3d", "options": {"channels": 4, "layers": 2}}, "image_pool": 2,
                  "loss": {"l1": 1.0, "refined_l1": 1.0, "dose_class": 0.1, "adversarial": 0.01}, "epochs": 2},
}  # fmt: skip


@pytest.mark.parametrize("kind", list(DOSES))
def test_two_processes_train_for_low_doses_as_one_does(kind, tmp_path):
    recipe, manifest = (
        dose_recipe(**DOSES[kind]),
        write_dose_manifest(tmp_path, ("train", "train", "val", "val", "val")),
    )
    train(recipe, manifest, tmp_path / "one", device="cpu")
    statuses, printed = two_ranks(tmp_path, recipe, manifest, tmp_path / "two")
    assert statuses == [0, 0], printed
    assert RunWatch(tmp_path / "two").events()[0]["processes"] == 2
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    # On CPUs each process normalises by its own half of a batch, which changes little of the images in two epochs.
    # Which dose it is has not been learnt by then, so that the share that is right is one of chance.
    assert all(0 <= row.pop("dose_accuracy", 0) <= 1 for row in (*one, *two))
    same(one, two, rel=2e-3 if kind == "local" else 0.2)
    for name in ("one", "two"):
        assert len(load_model(tmp_path / name / "tiny-dose").card.dose_error_curves) == (0 if kind == "local" else 2)
