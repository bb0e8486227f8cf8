"""Stop processes of MedSynth at many moments, and look at what they leave."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from warm_process import WarmProcess

from medsynth_core import load_model
from medsynth_core.recipes.recipe import Recipe, write_recipe
from medsynth_core.resources import resource_folder
from medsynth_core.training.run_watch import RunWatch

# Sums on one thread have one order.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130}


@dataclass(frozen=True)
class Training:
    """A training that is stopped and resumed in ``folder``.

    Attributes:
        folder: run folder.
        recipe: recipe file.
        data: manifest.
        warm: whether its processes are forked from one that has imported PyTorch, instead of new ones.
    """

    folder: Path
    recipe: Path
    data: Path
    warm: bool

    def start(self) -> subprocess.Popen[bytes] | WarmProcess:
        """Start it, or resume it where there is a checkpoint."""
        self.folder.mkdir(parents=True, exist_ok=True)
        request = self.folder / "request.json"
        content = {"recipe": self.recipe, "data": self.data, "output": self.folder, "device": "cpu"}
        resume = RunWatch(self.folder).can_resume()
        request.write_text(json.dumps({**{key: str(value) for key, value in content.items()}, "resume": resume}))
        module = "medsynth_core.training.background"
        if self.warm:
            return WarmProcess(module, [str(request)], ENVIRONMENT)
        return subprocess.Popen([sys.executable, "-m", module, str(request)], env=ENVIRONMENT, start_new_session=True)

    def stop(self, number: signal.Signals, chance: random.Random) -> tuple[int, int] | None:
        """Start the training, stop it by a signal, and return epoch and batch of its checkpoint, if there is one."""
        before = _changed(self.folder)
        process = self.start()
        _wait_for_checkpoints(self.folder, process, chance.randint(1, 8), before)
        time.sleep(chance.uniform(0, 0.02))
        assert process.poll() is None, "the training ended before it was stopped as often as planned"
        process.send_signal(number)
        assert process.wait() == STATUS.get(number, -number)
        watch = RunWatch(self.folder)
        assert not watch.running()
        if number != signal.SIGKILL:
            assert watch.events()[-1]["event"] == "cancelled"
            assert leftovers(self.folder) == []
        if not watch.can_resume():
            return None
        state = torch.load(self.folder / "checkpoint.pt", weights_only=True)
        return state["epoch"], state["position"]


def _changed(folder: Path) -> int | None:
    file = folder / "checkpoint.pt"
    return file.stat().st_mtime_ns if file.exists() else None


def _wait_for_checkpoints(
    folder: Path, process: subprocess.Popen[bytes] | WarmProcess, count: int, seen: int | None
) -> None:
    """Return when as many checkpoints have been written: no clock says how far a machine has come."""
    while count and process.poll() is None:
        changed = _changed(folder)
        count -= changed not in (None, seen)
        seen = changed
        time.sleep(0.001)


def stop_and_compare(
    folder: Path, recipe: Recipe, data: Path, signals: Sequence[signal.Signals], seed: int, warm: bool = False
) -> int:
    """Train once without a stop and once with many, check that both end alike, and return the number of places.

    Args:
        folder: new folder for both runs.
        recipe: recipe with a checkpoint after every step, long enough for all signals.
        data: manifest.
        signals: in this order.
        seed: of the moments.
        warm: see `Training`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_recipe(recipe, folder / "recipe.yaml")
    whole, stopped = (Training(folder / name, folder / "recipe.yaml", data, warm) for name in ("whole", "stopped"))
    assert whole.start().wait() == 0
    chance = random.Random(seed)
    places = {stopped.stop(number, chance) for number in signals}
    assert stopped.start().wait() == 0
    assert leftovers(stopped.folder) == []
    assert_equal_runs(whole.folder, stopped.folder, recipe.name)
    return len(places)


def assert_equal_runs(whole: Path, stopped: Path, name: str) -> None:
    """Check that two runs have bit-equal weights, checkpoints and scores."""
    for file in ("best.safetensors", f"{name}/models/model.safetensors"):
        _assert_equal(load_file(whole / file), load_file(stopped / file), file)
    states = [torch.load(run / "checkpoint.pt", weights_only=True) for run in (whole, stopped)]
    for state in states:
        state.pop("spent")
        for row in state["log"]:
            row.pop("seconds")
    _assert_equal(*states, "checkpoint")
    cards = [load_model(run / name).card for run in (whole, stopped)]
    assert cards[0].training.best_epoch == cards[1].training.best_epoch
    assert cards[0].metrics == cards[1].metrics


def _assert_equal(one: Any, other: Any, where: str) -> None:
    assert type(one) is type(other), where
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, Mapping):
        assert one.keys() == other.keys(), where
        for key in one:
            _assert_equal(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for number, (part, counterpart) in enumerate(zip(one, other, strict=True)):
            _assert_equal(part, counterpart, f"{where}[{number}]")
    else:
        assert one == other, where


def leftovers(folder: Path) -> list[str]:
    """Return what is temporary in a folder, by its name."""
    found = (path for path in folder.rglob("*") if path.name.startswith((".", "medsynth-", "tmp")))
    return sorted(path.relative_to(folder).as_posix() for path in found)


@dataclass(frozen=True)
class Command:
    """A command that writes into a folder, all its files or none.

    Attributes:
        words: after ``medsynth``; ``{out}`` is the folder.
        files: what it writes there.
    """

    words: tuple[str, ...]
    files: frozenset[str]

    def run(self, out: Path, number: signal.Signals | None = None, after: float = 0.0) -> float:
        """Run it in a new folder, stop it by a signal some seconds after its start, and check what it leaves.

        Returns:
            The seconds that it took.
        """
        temporary = out.with_name(f"{out.name}-tmp")
        out.mkdir()
        temporary.mkdir()
        words = [word.format(out=out) for word in self.words]
        environment = {**ENVIRONMENT, "TMPDIR": str(temporary), "MEDSYNTH_MODELS": str(out)}
        begun = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "medsynth_core", *words],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if number is not None:
            time.sleep(after)
            process.send_signal(number)
        _, said = process.communicate()
        self._check(process.returncode, number, said, out, temporary)
        return time.monotonic() - begun

    def _check(self, status: int, number: signal.Signals | None, said: str, out: Path, temporary: Path) -> None:
        found = frozenset(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
        # A signal before Python has begun, and one after the work, meet no code of MedSynth.
        early_or_late = {0, -number} if number is not None else {0}
        expected = early_or_late | ({STATUS[number]} if number is not None else set())
        assert status in expected, (status, said)
        assert status != STATUS[signal.SIGINT] or "Cancelled." in said, "nothing tells the user that it was cancelled"
        assert "Traceback" not in said or status == -signal.SIGINT, said
        assert found in (frozenset(), self.files), (number, sorted(found))
        assert status != 0 or found == self.files, said
        assert leftovers(out) == [] and list(temporary.iterdir()) == [], (number, list(temporary.iterdir()))


def commands(folder: Path) -> dict[str, Command]:
    """Write inputs into a folder, and return the commands that take them."""
    from builders import phantom_ct, phantom_pet
    from dicom_builder import write_pet, write_series

    from medsynth_core import Volume, write_volume
    from medsynth_core.io.writing import write_labelled
    from medsynth_core.models.library import export_model, import_model
    from medsynth_core.volume import LPS_TO_RAS

    ct = phantom_ct((24, 64, 64))
    write_volume(ct, folder / "ct.nii.gz")
    write_volume(phantom_pet(ct), folder / "pet.nii.gz")
    write_pet(folder / "pet")
    write_series(folder / "ct")
    grid = LPS_TO_RAS @ np.array([[0.6, 0, 0, -10], [0, 0.8, 0, -20], [0, 0, 3, 0], [0, 0, 0, 1.0]])
    facts = {"synthetic": True, "model": "tiny", "model_version": "1.0.0", "medsynth_version": "0.1.0"}
    made = Volume(np.linspace(0, 9, 60).reshape(3, 4, 5).astype(np.float32), grid, "PT", "SUVbw", facts)
    write_labelled(made, folder / "made.nii.gz")
    earlier = os.environ.get("MEDSYNTH_MODELS")
    os.environ["MEDSYNTH_MODELS"] = str(folder / "library")
    try:
        model = import_model(resource_folder() / "Models" / "ct-to-pet", "mine")
        export_model("mine", folder / "mine.zip")
    finally:
        os.environ.pop("MEDSYNTH_MODELS") if earlier is None else os.environ.update(MEDSYNTH_MODELS=earlier)
    package = {f"mine/{path.relative_to(model.path).as_posix()}" for path in model.path.rglob("*") if path.is_file()}
    image = frozenset({"o.nii.gz", "o.json"})
    given = {name: str(folder / name) for name in ("ct.nii.gz", "pet.nii.gz", "pet", "ct", "made.nii.gz", "mine.zip")}
    target = "{out}/o.nii.gz"
    return {
        "synthesize": Command(("synthesize", given["ct.nii.gz"], target, "--model", "ct-to-pet"), image),
        "suv": Command(("suv", given["pet"], target), image),
        "dicom": Command(
            ("dicom", given["made.nii.gz"], "{out}/series", "--reference", given["ct"]),
            frozenset(f"series/000{number}.dcm" for number in (1, 2, 3)),
        ),
        "simulate-dose": Command(("simulate-dose", given["pet.nii.gz"], target, "--factor", "20"), image),
        "import": Command(("models", "import", given["mine.zip"]), frozenset(package)),
    }


def moments(number: int, seconds: float) -> list[float]:
    """Return moments in seconds after the start of a command that takes ``seconds``, most of them while it works."""
    return [seconds * (0.25 + 0.75 * place / (number - 1)) for place in range(number)]
