"""Dose simulations that exceed the available memory are refused in advance."""

import numpy as np
import pytest
from dose_phantoms import matrix, uniform_pet, water

from medsynth_core import MedSynthError, Volume, simulate_dose
from medsynth_core.simulation import dose_memory as memory
from medsynth_core.simulation.settings import DoseSettings

PROJECTION, IMAGE_SPACE = DoseSettings(), DoseSettings(method="image-space")
FACTORS = (4.0, 10.0, 20.0, 50.0, 100.0)


def large(shape, modality="PT", unit="SUVbw") -> Volume:
    # One value that stands for all voxels.
    return Volume(np.broadcast_to(np.float32(1), shape), matrix(), modality, unit)


@pytest.fixture
def two_gib_free(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2 << 30)


@pytest.mark.parametrize("settings", [PROJECTION, IMAGE_SPACE])
def test_a_pet_too_large_for_memory_is_refused_in_advance(two_gib_free, settings):
    with pytest.raises(MedSynthError, match=r"400 × 400 × 1000 voxels needs about .* GiB of memory, but 2\.0") as no:
        simulate_dose(large((1000, 400, 400)), [4], settings=settings, progress=lambda *_: pytest.fail("it was begun"))
    assert no.value.kind == "device" and "\n" not in no.value.message


def test_axis_order_does_not_change_the_memory_estimate():
    voxels = np.broadcast_to(np.float32(1), (60, 50, 40))
    turned = Volume(voxels.transpose(2, 0, 1), matrix()[:, [1, 2, 0, 3]], "PT", "SUVbw")
    axial = Volume(voxels, matrix(), "PT", "SUVbw")
    assert memory.needed_bytes(turned, 1, None, PROJECTION) == memory.needed_bytes(axial, 1, None, PROJECTION)


@pytest.mark.parametrize("settings", [PROJECTION, IMAGE_SPACE])
def test_each_dose_adds_two_images_to_the_estimate(two_gib_free, settings):
    pet = large((400, 200, 200))
    memory.check_memory(pet, FACTORS, None, settings)
    many = tuple(range(2, 60))
    added = memory.needed_bytes(pet, len(many), None, settings) - memory.needed_bytes(
        pet, len(many) - 1, None, settings
    )
    assert added >= 2 * 4 * pet.voxels.size
    with pytest.raises(MedSynthError, match="Simulating 58 .*simulate fewer doses"):
        memory.check_memory(pet, many, None, settings)


def test_a_ct_finer_than_the_pet_adds_to_the_estimate(two_gib_free):
    pet, ct = large((100, 128, 128)), large((800, 512, 512), "CT", "HU")
    memory.check_memory(pet, (4.0,), None, IMAGE_SPACE)
    with pytest.raises(MedSynthError, match="crop the PET and the CT"):
        memory.check_memory(pet, (4.0,), ct, IMAGE_SPACE)


def test_typical_scans_are_not_refused(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 6 << 30)
    whole_body, ct = large((300, 400, 400)), large((600, 512, 512), "CT", "HU")
    memory.check_memory(whole_body, (4.0,), None, PROJECTION)
    memory.check_memory(whole_body, (4.0,), ct, IMAGE_SPACE)
    memory.check_memory(large((300, 200, 200)), FACTORS, ct, PROJECTION)


@pytest.mark.parametrize("settings", [PROJECTION, IMAGE_SPACE])
def test_small_volumes_are_simulated_within_the_limit(two_gib_free, settings):
    assert simulate_dose(uniform_pet(), [10], ct=water(), settings=settings).low[10].shape == (4, 64, 64)
