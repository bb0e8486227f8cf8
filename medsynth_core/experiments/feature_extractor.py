"""Training of the feature extractor with which sets of images are compared, ``feature-extractor``."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import save
from torch import nn

from medsynth_core.compute.hardware import processor_name
from medsynth_core.evaluation.features import NAME, OPTIONS, Extractor, fid, read_extractor
from medsynth_core.experiments.feature_images import KINDS, LabelledImages, read_images
from medsynth_core.experiments.feature_tasks import TASKS, Heads, examples, losses, scores
from medsynth_core.experiments.runs import write_environment
from medsynth_core.experiments.scoring.plain_table import PlainTable
from medsynth_core.io.atomic import atomic_write
from medsynth_core.io.table import write_rows
from medsynth_core.networks.image_features import CHANNELS
from medsynth_core.networks.registry import create_network
from medsynth_core.progress import Progress
from medsynth_core.version import __version__, library_versions, source_commit

EXPERIMENT = "feature-extractor"
WEIGHTS = "model.safetensors"
# Changes of the second half of the test images, whose distance from the first half is told: Gaussian blur in pixels,
# white noise in standard deviations of the image.
BLURS, NOISES = (1.0, 2.0), (0.1, 0.3)
SHOWN = ("val", "test")


@dataclass(frozen=True)
class Settings:
    """The recipe of a feature extractor.

    Attributes:
        name: name of the extractor.
        channels: of its network.
        seed: of weights, order, changes of the images, and the split of the X-rays.
        slices: most slices of a volume.
        held_out: share of the persons of the X-rays' training images by which the epoch is chosen.
        epochs, batch_size: of the training.
        learning_rate: highest one; it rises in the first tenth and then falls to 0 (one-cycle).
        weight_decay: of AdamW.
    """

    name: str = "medsynth-features-1"
    channels: tuple[int, ...] = CHANNELS
    seed: int = 1
    slices: int = 24
    held_out: float = 0.12
    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 1e-2


def run(data: Path, output: Path, progress: Progress, settings: Settings = Settings()) -> PlainTable:
    """Train the extractor on the training images, choose its epoch by the validation images, and test it once.

    Args:
        data: folder with ``sts`` and ``chest-xray`` (`feature_images.read_images`).
        output: folder for ``model.safetensors`` (half precision), ``recipe.yaml``, ``split.csv``, ``metrics.csv`` (a
            row for each epoch), ``results.csv`` and ``environment.json``.
        progress: reports.
        settings: the recipe.
    """
    output.mkdir(parents=True, exist_ok=True)
    images, split = read_images(data, settings.slices, settings.held_out, settings.seed, progress.part(0, 0.1))
    write_rows(split, output / "split.csv")
    with atomic_write(output / "recipe.yaml") as temporary:
        text = yaml.safe_dump({**asdict(settings), "channels": list(settings.channels)}, sort_keys=False)
        temporary.write_text(text, encoding="utf-8")
    budget = f"{settings.epochs} epochs of {len(images['train'])} images, batches of {settings.batch_size}"
    write_environment(EXPERIMENT, budget, _environment(), data, output)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network, heads, log = _trained(images, settings, progress.part(0.1, 0.95))
    write_rows(log, output / "metrics.csv")
    _write(network, settings, output / WEIGHTS)
    results = _results(network, heads, images, output, settings)
    table = PlainTable(results, ("what", "images", *SHOWN), output, cases_name="split.csv")
    table.write()
    return table


def _environment() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": processor_name(),
        "threads": torch.get_num_threads(),
        "medsynth-core": __version__,
        "commit": source_commit(),
        **library_versions(),
    }


def _trained(
    images: dict[str, LabelledImages], settings: Settings, progress: Progress
) -> tuple[nn.Module, nn.Module, list[dict[str, Any]]]:
    """Return network and heads of the epoch with the lowest validation loss, and a row for each epoch."""
    network = create_network("image-features", channels=settings.channels)
    heads = Heads(settings.channels[-1])
    both = nn.ModuleList([network, heads])
    step = _stepper(both, settings, len(images["train"]) // settings.batch_size)
    log: list[dict[str, Any]] = []
    best: dict[str, Any] = {}
    for epoch in range(settings.epochs):
        progress(epoch / settings.epochs, f"Epoch {epoch + 1} of {settings.epochs}")
        begun = time.process_time()
        random = np.random.default_rng((settings.seed, epoch))
        order = random.permutation(len(images["train"]))
        batches = [order[at : at + settings.batch_size] for at in range(0, len(order), settings.batch_size)]
        train = [step(*examples(images["train"].of(one), random)) for one in batches if len(one) == len(batches[0])]
        val = scores(network, heads, images["val"], settings.seed)
        if not log or val["loss"] < min(row["val_loss"] for row in log):
            best = {name: value.clone() for name, value in both.state_dict().items()}
        row = {"epoch": epoch + 1, "train_loss": float(np.mean(train)), **{f"val_{k}": v for k, v in val.items()}}
        log.append({**{k: round(v, 5) for k, v in row.items()}, "cpu_seconds": round(time.process_time() - begun, 1)})
    both.load_state_dict(best)
    return network, heads, log


def _stepper(both: nn.ModuleList, settings: Settings, steps: int) -> Callable[..., float]:
    """Return a function that trains network and heads on a batch and returns the loss."""
    network, heads = both
    optimiser = torch.optim.AdamW(both.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=max(settings.epochs * steps, 2), pct_start=0.1
    )

    def step(images: torch.Tensor, labels: dict[str, torch.Tensor]) -> float:
        both.train()
        loss = torch.stack(list(losses(heads(network(images)), labels).values())).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        return loss.item()

    return step


def _write(network: nn.Module, settings: Settings, path: Path) -> None:
    """Write the weights in half precision, with name and options in the header of the file."""
    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in network.state_dict().items()
    }
    header = {NAME: settings.name, OPTIONS: json.dumps({"channels": list(settings.channels)})}
    with atomic_write(path) as temporary:
        temporary.write_bytes(save(state, header))


def _results(
    network: nn.Module, heads: nn.Module, images: dict[str, LabelledImages], output: Path, settings: Settings
) -> list[dict[str, Any]]:
    """Return the accuracies on both splits, and the distances between halves of the test images by kind."""
    found = {split: scores(network, heads, images[split], settings.seed) for split in SHOWN}
    rows: list[dict[str, Any]] = [
        {
            "what": f"accuracy: {task}",
            "images": " + ".join(str(len(images[split])) for split in found),
            **{split: round(found[split][task], 4) for split in found},
        }
        for task in TASKS
    ]
    extractor = read_extractor(output / WEIGHTS)
    for number, kind in enumerate(KINDS):
        chosen = images["test"].of(images["test"].kinds == number)
        rows += _distances(chosen, kind, extractor, np.random.default_rng(settings.seed))
    return rows


def _distances(
    data: LabelledImages, kind: str, extractor: Extractor, random: np.random.Generator
) -> list[dict[str, Any]]:
    """Return the distances of one half of the patients from the other half, as it is and degraded."""
    names = random.permutation(np.unique(data.patients))
    first = np.isin(data.patients, names[: len(names) // 2])
    one, other = (data.images[some].astype(np.float32) for some in (first, ~first))
    return [
        {"what": f"FID: {how}", "images": f"{kind}, {len(one)} + {len(other)}", "val": "", "test": round(value, 3)}
        for how, changed in degraded(other, random).items()
        for value in [fid(one, changed, extractor).value]
    ]


def degraded(images: np.ndarray, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Return images (n, rows, columns) as they are, blurred and noisy, by what was done to them."""
    from scipy.ndimage import gaussian_filter

    spread = images.std(axis=(1, 2), keepdims=True)
    noise = random.standard_normal(images.shape)
    return {
        "the other half of the patients": images,
        **{f"blurred by {sigma:g} pixels": gaussian_filter(images, (0, sigma, sigma)) for sigma in BLURS},
        **{f"noise of {share:g} SD": images + share * spread * noise for share in NOISES},
    }
