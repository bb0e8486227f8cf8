"""How fast a training is: against the same step on data already in memory, and against a plain pix2pix-style loop.

Run with ``python Testing/benchmarks/training.py [pix2pix|small] [cpu|cuda]``. One process, three ways in turn, several
times over, with the same network, batch and slices of the sample case:

- step: the system's step on one batch that lies on the device;
- training: MedSynth's loop over an epoch, with files mapped into memory, augmentation, learning rate, checks of the
  loss, running average and reports;
- plain: what people write first, after pix2pix: a torch ``DataLoader`` of random crops and flips of tensors in memory,
  and the usual two optimisers.

Figures are milliseconds a batch (medians) and their ratios.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from medsynth_core.datasets.manifest import Case, write_manifest
from medsynth_core.networks.registry import create_network
from medsynth_core.preparation.slices import neighbours
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import Recipe, read_recipe
from medsynth_core.systems.engine import Engine
from medsynth_core.training.event_log import Journal
from medsynth_core.training.loop import Trainer
from medsynth_core.training.prepared_cases import load_cases
from medsynth_core.training.run_folder import RunFolder

SAMPLE = Path(__file__).parents[2] / "Resources" / "SampleCase"
REPEATS = 3
SLICES = 20  # of the sample case


# By name: spacing (mm), side of the slices, channels of the U-Net, of the discriminator, and batch size.
SIZES = {
    "pix2pix": (1.0, 256, [64, 128, 256, 512, 512, 512, 512, 512], 64, 4),
    "small": (2.0, 128, [32, 64, 128, 256, 256, 256], 16, 4),
}


def recipe(size: str) -> Recipe:
    """Return pix2pix on CT and PET: as published, or a small one, to which the loader matters more."""
    spacing, crop, channels, judged, batch_size = SIZES[size]
    shared = read_recipe("experiments/ct-to-pet-systems").model_dump(mode="json")
    changes = {
        "network": {"name": "unet256", "options": {"channels": channels}},
        "discriminator": {"name": "patchgan2d", "options": {"in_channels": 6, "channels": judged}},
        "contract": {**shared["contract"], "spacing": [spacing, spacing, 3.27]},
        "augmentation": {**shared["augmentation"], "crop": crop},
        "batch_size": batch_size,
    }
    return Recipe.model_validate({**shared, **changes})


class Slices(Dataset):
    """The same slices in memory, cut and mirrored at random as pix2pix does it."""

    def __init__(self, pairs: list, channels: tuple[int, int], size: int) -> None:
        self._slices = []
        for pair in pairs:
            for k in range(len(pair.voxels)):
                both = [
                    neighbours(torch.tensor(voxels), torch.tensor([k]), count, "replicate")[0]
                    for voxels, count in zip((pair.voxels, pair.target), channels, strict=True)
                ]
                padded = nn.functional.pad(torch.cat(both), [size // 2] * 4, value=-1.0)
                self._slices.append(padded)
        self._channels, self._size = channels, size

    def __len__(self) -> int:
        return len(self._slices)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        whole = self._slices[index]
        top, left = (int(torch.randint(0, n - self._size + 1, ())) for n in whole.shape[1:])
        part = whole[:, top : top + self._size, left : left + self._size]
        if torch.rand(()) < 0.5:
            part = part.flip(-1)
        return part[: self._channels[0]].contiguous(), part[self._channels[0] :].contiguous()


def plain_epoch(pairs: list, wanted: Recipe, device: torch.device, batches: int) -> float:
    """Train for a number of batches as people write it first, and return the seconds."""
    generator = create_network(wanted.network.name, **wanted.network.options).to(device)
    discriminator = create_network(wanted.discriminator.name, **wanted.discriminator.options).to(device)
    rates = {"lr": wanted.optimiser.learning_rate, "betas": wanted.optimiser.betas}
    first, second = (torch.optim.Adam(network.parameters(), **rates) for network in (generator, discriminator))
    slices = Slices(pairs, (3, 3), wanted.augmentation.crop)
    loader = DataLoader(slices, wanted.batch_size, shuffle=True, drop_last=True, num_workers=0)
    mse = nn.MSELoss()
    started, done = time.perf_counter(), 0
    while done < batches:
        for image, target in loader:
            image, target = image.to(device), target.to(device)
            fake = generator(image)
            second.zero_grad()
            on_fake = discriminator(torch.cat([image, fake.detach()], 1))
            on_real = discriminator(torch.cat([image, target], 1))
            (0.5 * (mse(on_fake, torch.zeros_like(on_fake)) + mse(on_real, torch.ones_like(on_real)))).backward()
            second.step()
            first.zero_grad()
            judged = discriminator(torch.cat([image, fake], 1))
            (mse(judged, torch.ones_like(judged)) + 100 * mse(fake, target)).backward()
            first.step()
            done += 1
            if done == batches:
                break
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main(size: str, device: torch.device) -> None:
    """Measure the three in turn and print medians and ratios."""
    wanted = recipe(size)
    case = Case("sample", "train", {"ct": SAMPLE / "ct.nii.gz", "pet": SAMPLE / "pet.nii.gz"})
    seconds: dict[str, list[float]] = {"step": [], "training": [], "plain": []}
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(name)
        folder.make()
        write_manifest([case], folder.path / "cases.csv")
        (whole,) = load_cases([case], wanted, Progress(), folder.arrays)
        middle = slice(len(whole.voxels) // 2 - SLICES // 2, len(whole.voxels) // 2 + SLICES // 2)
        pairs = [
            TrainingCase(
                whole.name,
                {"ct": whole.voxels[middle]},
                whole.body[middle],
                {"pet": whole.target[middle]},
                whole.labels,
            )
        ]
        trainer = Trainer(wanted, pairs, pairs[:1], folder, Journal(folder.path), Engine(device, wanted))
        count = len(trainer.batches)
        batch = next(iter(trainer.batches.epoch(0)))
        batch = batch.to(device)
        trainer._begun, trainer._done_before, trainer._saved = time.monotonic(), 0, time.monotonic()
        for repeat in range(REPEATS + 1):
            started = time.perf_counter()
            for _ in range(count):
                trainer.system.step(batch)
            _wait(device)
            step = time.perf_counter() - started
            trainer.epoch, trainer.position = repeat, 0
            started = time.perf_counter()
            trainer._train_epoch(Progress(), time.monotonic())
            _wait(device)
            training = time.perf_counter() - started
            plain = plain_epoch(pairs, wanted, device, count)
            if repeat:  # the first time warms up
                for key, value in (("step", step), ("training", training), ("plain", plain)):
                    seconds[key].append(1000 * value / count)
    medians = {key: statistics.median(values) for key, values in seconds.items()}
    found = {
        "size": size,
        "device": str(device),
        "batches": count,
        "batch_size": wanted.batch_size,
        "milliseconds_a_batch": {key: round(value, 1) for key, value in medians.items()},
        "training over step (throughput)": round(medians["step"] / medians["training"], 3),
        "training over plain (throughput)": round(medians["plain"] / medians["training"], 3),
        "repeats": REPEATS,
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "pix2pix", torch.device(sys.argv[2] if len(sys.argv) > 2 else "cpu"))
