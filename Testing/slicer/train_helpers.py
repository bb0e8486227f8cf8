"""Helpers for tests of MedSynthTrain: phantoms as volume nodes, a recipe that trains in seconds, the panel."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import application
import slicer
from scene_helpers import waitUntil

sys.path.insert(0, str(application.ROOT / "Testing" / "core"))

from builders import dose_recipe, phantom_ct, phantom_pet, tiny_recipe  # noqa: E402 - the folder must be importable first

from medsynth_core.datasets.manifest import Case, write_manifest  # noqa: E402
from medsynth_core.io.writing import write_volume  # noqa: E402

SECONDS = 90.0


def nodeOf(volume, name: str):
    """Return a volume node with a core volume's voxels, place, and unit."""
    from MedSynthLib import volume_bridge as bridge

    node = slicer.util.addVolumeFromArray(volume.voxels, volume.ijk_to_ras, name)
    bridge.setUnit(node, volume.unit)
    return node


def phantomPair(seed: int) -> tuple:
    """Return a phantom's CT and PET as volume nodes; each seed's patient is of another breadth."""
    ct = phantom_ct((6, 40, 40 + 2 * seed), seed=seed)
    return nodeOf(ct, f"CT {seed}"), nodeOf(phantom_pet(ct), f"PET {seed}")


def recipeText(**changes) -> str:
    """Return the YAML of a recipe that trains in seconds."""
    # JSON is YAML too.
    return json.dumps(tiny_recipe(**changes).model_dump(mode="json"), indent=1)


def doseRecipeText(**changes) -> str:
    """Return the YAML of a recipe for low-dose PET that trains in seconds."""
    return json.dumps(dose_recipe(**changes).model_dump(mode="json"), indent=1)


def unpairedRecipeText(**changes) -> str:
    """Return the YAML of a CycleGAN's recipe that trains in seconds."""
    system = {
        "system": "cyclegan",
        "network": {"name": "resnet9", "options": {"in_channels": 1, "out_channels": 1, "channels": 4, "blocks": 1}},
        "discriminator": {"name": "patchgan2d", "options": {"channels": 4, "layers": 1}},
        "loss": {"adversarial": 1.0, "cycle": 10.0},
    }
    return recipeText(**{**system, **changes})


def addPhantoms(dataSet, count: int = 4) -> None:
    """Add phantoms to a data set and divide them: two for training, one each for val and test."""
    for seed in range(count):
        folder = dataSet.newFolder(f"P{seed}")
        ct = phantom_ct((6, 40, 40 + 2 * seed), seed=seed)
        files = {role: folder / f"{role}.nii.gz" for role in ("ct", "pet")}
        for file, volume in zip(files.values(), (ct, phantom_pet(ct)), strict=True):
            write_volume(volume, file)
        manifest = dataSet.folder.parent / "phantom.csv"
        write_manifest([Case(f"P{seed}", ("train", "train", "val", "test")[seed % 4], files)], manifest)
        dataSet.addManifest(manifest)
        manifest.unlink()


def makePanel(folder: Path):
    """Return the panel of MedSynthTrain with its data set and runs in a folder."""
    from MedSynthTrainLib import settings

    settings.setRunsFolder(folder)
    from MedSynthTrain import MedSynthTrainWidget

    return MedSynthTrainWidget()


def stopAll(panel) -> None:
    """Stop what a test has left running."""
    runs = panel._run.running()
    for run in runs:
        run.poll()  # the panel may have been closed
        run.stop()

    def allHaveEnded() -> bool:
        for run in runs:
            run.poll()
        return not any(run.alive for run in runs)

    assert waitUntil(allHaveEnded, SECONDS)
