"""Schedules, the image pool, and what a training does when memory or patience runs out."""

import csv
import json

import numpy as np
import pytest
import torch
from builders import batch_of, tiny_recipe, write_manifest

from medsynth_core import Cancelled, MedSynthError, train
from medsynth_core.recipes.recipe import Optimiser
from medsynth_core.systems.paired import PairedSystem
from medsynth_core.systems.pool import ImagePool
from medsynth_core.training.lock import RunLock
from medsynth_core.training.run_watch import RunWatch
from medsynth_core.training.schedule import learning_rate, plateau_drops, stands_still


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_manifest(tmp_path_factory.mktemp("data"))


def rates(schedule, **settings):
    optimiser = Optimiser(learning_rate=1.0, schedule=schedule, **settings)
    return [learning_rate(optimiser, done, 10, int(100 * done), drops=0) for done in (0, 2.5, 5, 7.5, 9.5)]


def test_learning_rates_follow_their_schedules():
    assert rates("constant") == [1.0] * 5
    assert rates("linear", hold=0.5) == pytest.approx([1, 1, 1, 0.5, 0.1])
    assert rates("exponential", factor=0.5) == pytest.approx([1, 0.25, 0.5**5, 0.5**7, 0.5**9])
    assert rates("cosine")[0] == pytest.approx(1.0) and rates("cosine")[2] == pytest.approx(0.505)
    assert learning_rate(
        Optimiser(learning_rate=1.0, schedule="plateau", factor=0.1), 4, 10, 9, drops=2
    ) == pytest.approx(0.01)
    assert learning_rate(Optimiser(learning_rate=1.0, warmup_steps=9), 0, 10, 4, drops=0) == pytest.approx(0.5)


def test_a_plateau_is_seen_after_its_patience():
    assert plateau_drops([5, 4, 3, 2], patience=2) == 0
    assert plateau_drops([5, 4, 4, 4, 4, 4, 4, 4], patience=2) == 2
    assert plateau_drops([5, 4, 4, 3, 4, 4, 4], patience=2) == 1
    # The publication's patience of 5: five validations may be worse, the sixth reduces the learning rate.
    assert [plateau_drops([1.0, *[2.0] * worse], patience=5) for worse in (5, 6, 11, 12)] == [0, 1, 1, 2]


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_a_plateau_is_what_torch_takes_for_one(patience):
    random = np.random.default_rng(patience)
    for _ in range(20):
        # Steps around the share of the best score that counts as an improvement.
        scores = (1 - 5e-5 * random.integers(-3, 4, 60).cumsum()).tolist()
        optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=patience, eps=0)
        for number, score in enumerate(scores, start=1):
            schedule.step(score)
            assert optimiser.param_groups[0]["lr"] == 0.5 ** plateau_drops(scores[:number], patience)


def test_scores_that_should_rise_are_compared_as_torch_compares_them():
    scores = [30.0, 30.002, 30.004, 29.0, 31.0, 31.001, 31.002, 31.0]
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, mode="max", factor=0.5, patience=2, eps=0)
    for number, score in enumerate(scores, start=1):
        schedule.step(score)
        assert optimiser.param_groups[0]["lr"] == 0.5 ** plateau_drops([-one for one in scores[:number]], 2)


def test_early_stopping_waits_for_its_number_of_validations():
    assert not stands_still([3, 2, 2], patience=3) and stands_still([3, 2, 2, 2, 2], patience=3)
    assert not stands_still([3, 2, 2, 2, 1], patience=3) and not stands_still([3, 3, 3], patience=0)


def test_a_pool_gives_back_what_it_was_given_and_goes_on_from_its_state():
    pool = ImagePool(3, seed=0)
    shown = [pool(torch.full((2, 1, 1, 1), float(n))) for n in range(20)]
    values = torch.stack(shown).flatten(1).numpy()
    assert all(value <= n for n, row in enumerate(values) for value in row)
    assert any(value < n for n, row in enumerate(values) for value in row)
    other = ImagePool(3, seed=5)
    other.load_state(pool.state())
    image = torch.full((8, 1, 1, 1), 99.0)
    assert torch.equal(pool(image), other(image))
    assert torch.equal(ImagePool(0, seed=0)(image), image)


def test_a_training_ends_when_validation_stands_still(manifest, tmp_path):
    recipe = tiny_recipe(average=0.0, epochs=60, stop_after=3)
    train(recipe, manifest, tmp_path / "run", device="cpu")
    scores = [float(row["val_mae"]) for row in csv.DictReader((tmp_path / "run" / "metrics.csv").open())]
    assert len(scores) < 60 and min(scores) == scores[-4]


def test_when_memory_runs_out_the_batch_is_halved_and_the_training_goes_on(manifest, tmp_path, monkeypatch):
    # A stand-in for a small device: more than one slice at once does not fit.
    original = PairedSystem.step

    def small(self, batch, parts=1):
        if len(batch) / parts > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(self, batch, parts)

    monkeypatch.setattr(PairedSystem, "step", small)
    train(tiny_recipe(epochs=2), manifest, tmp_path / "run", device="cpu")
    said = [event["message"] for event in RunWatch(tmp_path / "run").events() if event["event"] == "log"]
    assert len(said) == 2 and "computed in 2 parts" in said[0] and "computed in 4 parts" in said[1]
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert state["parts"] == 4 and state["epoch"] == 2


def test_a_single_slice_that_does_not_fit_ends_the_training_in_a_sentence(manifest, tmp_path, monkeypatch):
    def never(self, batch, parts=1):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 999 bytes")

    monkeypatch.setattr(PairedSystem, "step", never)
    with pytest.raises(MedSynthError, match="is too small for a batch of 4 slices in 4 parts"):
        train(tiny_recipe(), manifest, tmp_path / "run", device="cpu")


def test_a_run_folder_in_use_is_refused_and_its_events_are_left_alone(manifest, tmp_path):
    folder = tmp_path / "run"
    train(tiny_recipe(epochs=1), manifest, folder, device="cpu")
    before = (folder / "events.jsonl").read_bytes()
    lock = RunLock(folder)
    assert RunWatch(folder).running()
    with pytest.raises(MedSynthError, match="Another process is training in"):
        train(tiny_recipe(epochs=1), manifest, folder, device="cpu", resume=True)
    lock.release()
    assert not RunWatch(folder).running()
    assert (folder / "events.jsonl").read_bytes() == before


def test_a_training_tells_what_happens_and_stops_when_it_is_asked(manifest, tmp_path):
    folder = tmp_path / "run"
    watch = RunWatch(folder)
    assert not watch.running() and watch.events() == [] and not watch.can_resume()

    def ask(fraction, message):
        if message == "Epoch 2 of 3":
            watch.request_stop()

    with pytest.raises(Cancelled):
        train(tiny_recipe(), manifest, folder, device="cpu", progress=ask)
    events = watch.events()
    kinds = [event["event"] for event in events]
    assert kinds[0] == "started" and kinds[-1] == "cancelled" and {"metric", "preview", "device"} <= set(kinds)
    assert events[0]["epochs"] == 3 and events[0]["steps"] == 3
    metrics = {(event["name"], event["split"]) for event in events if event["event"] == "metric"}
    assert {("loss", "train"), ("mae", "val"), ("psnr", "val"), ("ssim_2d_wang11", "val")} <= metrics
    assert watch.can_resume() and not watch.running()
    # What was begun of the second epoch is in the checkpoint.
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    assert (state["epoch"], state["position"]) in {(1, 0), (1, 1)}
    train(tiny_recipe(), manifest, folder, device="cpu", resume=True)
    assert watch.events()[-1] == {"event": "done", "time": pytest.approx(0, abs=1e11), "package": str(folder / "tiny")}


def test_a_preview_shows_input_synthetic_and_real_slice(manifest, tmp_path):
    from PIL import Image

    train(tiny_recipe(epochs=1), manifest, tmp_path / "run", device="cpu")
    (event,) = [event for event in RunWatch(tmp_path / "run").events() if event["event"] == "preview"]
    picture = np.array(Image.open(tmp_path / "run" / event["file"]))
    assert event["case"] == "P2" and event["epoch"] == 1
    height, width = picture.shape
    third = (width - 8) // 3
    source, _, real = picture[:, :third], picture[:, third + 4 : 2 * third + 4], picture[:, -third:]
    # Bone is the brightest in the CT and the hottest in the phantom's PET.
    assert abs(np.subtract(*[np.unravel_index(np.argmax(p), p.shape)[1] for p in (source, real)])) < 6


def test_tensorboard_has_the_curves(manifest, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(tiny_recipe(), manifest, tmp_path / "run", device="cpu")
    board = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    board.Reload()
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    told = [event.value for event in board.Scalars("mae/val")]
    assert told == pytest.approx([float(row["val_mae"]) for row in rows], rel=1e-5)


def test_prepared_cases_are_mapped_from_files_while_it_trains_and_removed_after(manifest, tmp_path):
    seen = []

    def look(fraction, message):
        if message == "Epoch 1 of 1":
            seen.extend(path.name for path in (tmp_path / "run" / "arrays").iterdir())

    train(tiny_recipe(epochs=1), manifest, tmp_path / "run", device="cpu", progress=look)
    assert len(set(seen)) == 12  # four arrays for each of three cases
    assert not (tmp_path / "run" / "arrays").exists()


def test_cyclegan_learns_from_cases_that_are_no_pairs(manifest, tmp_path):
    # One training case has only a CT and the other only a PET.
    lines = manifest.read_text().splitlines()
    lines[1], lines[2] = "P0,train,ct0.nii.gz,", "P1,train,,pet1.nii.gz"
    unpaired = manifest.with_name("unpaired.csv")
    unpaired.write_text("\n".join(lines) + "\n")
    recipe = tiny_recipe(
        system="cyclegan",
        network={"name": "resnet9", "options": {"in_channels": 1, "out_channels": 1, "channels": 4, "blocks": 1}},
        discriminator={"name": "patchgan2d", "options": {"channels": 4, "layers": 1}},
        loss={"adversarial": 1.0, "cycle": 10.0, "identity": 0.5},
        optimiser={"learning_rate": 0.003},
        image_pool=10,
        epochs=8,
    )
    train(recipe, unpaired, tmp_path / "run", device="cpu")
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    assert float(rows[-1]["cycle"]) < 0.7 * float(rows[0]["cycle"])
    assert {"adversarial", "identity", "discriminator", "val_mae"} <= set(rows[0])
    with pytest.raises(MedSynthError, match="P0.* no file for 'pet'"):
        train(tiny_recipe(), unpaired, tmp_path / "paired", device="cpu")


def test_a_case_that_breaks_the_loss_is_named(manifest, tmp_path, monkeypatch):
    original = PairedSystem.step
    taken = []

    def breaks(self, batch, parts=1):
        taken.append(1)
        worth = float("nan") if len(taken) == 5 else 1
        return original(self, batch_of(batch.image * worth, batch.target), parts)

    monkeypatch.setattr(PairedSystem, "step", breaks)
    with pytest.raises(MedSynthError, match=r"step 5 of epoch 2 \(cases: P\d"):
        train(tiny_recipe(), manifest, tmp_path / "run", device="cpu")
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert state["epoch"] == 1
    assert all(torch.isfinite(value).all() for value in state["average"].values())
    last = json.loads((tmp_path / "run" / "events.jsonl").read_text().splitlines()[-1])
    assert last["event"] == "error" and "not a finite number" in last["message"]
