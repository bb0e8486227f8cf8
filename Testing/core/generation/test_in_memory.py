"""Cases without files: the same ones as in files, from volumes that are given in memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from builders import axial_matrix

from medsynth_core import Cancelled, MedSynthError, generate, read_volume
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.in_memory import generate_cases
from medsynth_core.generation.order import MOST_SEED, Order, new_seed
from medsynth_core.progress import Progress
from medsynth_core.structure.settings import settings_for
from medsynth_core.volume import Volume

pytestmark = pytest.mark.slow


def test_they_are_those_of_the_files(package, tmp_path):
    order = {"count": 2, "slices": 2, "seed": 5, "filtered": False}
    said: list[str] = []
    cases = list(generate_cases(Generator.load(package, "cpu"), Order(**order), Progress(log=said.append)))
    generate(package, tmp_path / "set", 2, slices=2, seed=5, filtered=False, device="cpu")
    for number, case in enumerate(cases, start=1):
        for name, volume in case.volumes.items():
            written = read_volume(tmp_path / "set" / f"case_000{number}" / f"{name}.nii.gz")
            assert np.array_equal(written.voxels, volume.voxels) and written.unit == volume.unit
    checked = json.loads((tmp_path / "set" / "generation.json").read_text())["memorisation"]
    [pet] = [line for line in said if line.startswith("pet: ")]
    assert pet == f"pet: {checked['pet']['said']}"


def test_a_stop_is_heeded_before_the_next_case(package):
    reported: list[str] = []

    def report(_fraction: float, message: str) -> None:
        reported.append(message)
        if len(reported) == 2:
            raise Cancelled

    cases = generate_cases(Generator.load(package, "cpu"), Order(3, filtered=False), Progress(report))
    next(cases)
    with pytest.raises(Cancelled):
        next(cases)
    assert reported == ["Drawing case 1 of 3", "Drawing case 2 of 3"]


def given(phantoms: Path, value: int = 1) -> tuple[Volume, Volume]:
    """Return a CT of the training and its lesion, with another label."""
    ct = read_volume(phantoms.parent / "ct0.nii.gz", modality="CT", unit="HU")
    lesion = read_volume(phantoms.parent / "lesion0.nii.gz")
    return ct, lesion.replace(voxels=lesion.voxels.astype(np.int32) * value)


@pytest.mark.parametrize("value", [1, 255, 256])
def test_a_lesion_of_any_value_is_the_one_that_the_training_knows(package, phantoms, value):
    ct, lesion = given(phantoms, value)
    [case] = generate_cases(Generator.load(package, "cpu"), Order(1, source=ct, lesion=lesion), Progress())
    assert np.array_equal(case.masks["lesion"].voxels, lesion.voxels != 0)
    i, j, k = np.argwhere(lesion.voxels).mean(axis=0)[::-1]
    assert case.lesion_centre == pytest.approx((lesion.ijk_to_ras @ [i, j, k, 1])[:3])


def test_settings_of_the_structure_map_replace_those_of_the_training(package, phantoms):
    ct, generator = given(phantoms)[0], Generator.load(package, "cpu")
    shares = []
    for settings in (None, settings_for("extremity-ct", {"alpha": 0.3})):
        [case] = generate_cases(generator, Order(1, source=ct, structure=settings), Progress())
        shares.append(case.masks["structure"].voxels.mean())
    assert shares[1] < shares[0]


def test_an_order_with_volumes_is_plain_data(phantoms):
    ct, lesion = given(phantoms)
    order = Order(1, source=ct, lesion=lesion, structure=settings_for("extremity-ct"))
    content = order.to_dict()
    assert json.loads(json.dumps(content)) == content
    assert content["source"] == {"shape": list(ct.shape), "modality": "CT", "unit": "HU"}
    assert content["structure"]["window"] == [-200.0, 300.0]


def test_settings_need_a_volume():
    with pytest.raises(MedSynthError, match="settings of the structure map are those of a given volume"):
        Order(1, structure=settings_for())


def test_new_seeds_are_other_ones_and_can_be_used():
    seeds = {new_seed() for _ in range(20)}
    assert len(seeds) == 20 and all(0 <= seed <= MOST_SEED for seed in seeds)


def test_a_case_without_a_lesion_has_no_centre():
    from medsynth_core.generation.case import GeneratedCase

    empty = Volume(np.zeros((1, 8, 8), np.uint8), axial_matrix((1.0, 1.0, 1.0)))
    assert GeneratedCase({}, {"lesion": empty}).lesion_centre is None
