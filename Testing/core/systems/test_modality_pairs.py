"""With pairs, the images of all modalities are the same slice of the same patient, also where fields of view differ."""

import numpy as np
import torch
from multimodal_builders import batch, recipe, system

from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.training.modality_slices import ModalitySlices


def case(number: int, seen: dict[str, set[int]], slices: int = 6) -> TrainingCase:
    """Return a case whose images are the number of case and slice, with lines in the slices that a modality shows."""
    targets: dict[str, np.ndarray] = {}
    for role, shown in seen.items():
        value = np.arange(slices, dtype=np.float32)[:, None, None] / 100 + number / 10
        targets[role] = np.broadcast_to(value, (slices, 32, 32)).copy()
        lines = np.zeros((slices, 32, 32), np.float32)
        lines[sorted(shown), 10:20, 10] = 1
        targets |= {f"{role}:structure": lines, f"{role}:organ": np.ones_like(lines), f"{role}:lesion": 0 * lines}
    return TrainingCase(f"P{number}", {}, np.ones((slices, 32, 32), bool), targets, {"dose": -1})


def test_pairs_are_one_slice_of_one_patient():
    settings = recipe(registered=True, augmentation={"crop": 32})
    cases = [case(0, {"ct": {0, 1, 2, 3, 4, 5}, "pet": {2, 3}}), case(1, {"ct": {1, 2}, "pet": {0, 1, 2, 5}})]
    items = ModalitySlices(cases, settings)
    assert items._slices["ct"] == items._slices["pet"] == [(0, 2), (0, 3), (1, 1), (1, 2)]
    for index in range(8):
        targets = items[(0, index, 0)][1]
        torch.testing.assert_close(targets["ct"], targets["pet"], rtol=0, atol=0)


def test_no_epoch_before_the_last_phase_can_be_the_best_one():
    made = system(recipe(prepare_epochs=1, pretrain_epochs=2, epochs=5))
    found = []
    for epoch in range(5):
        made.begin_epoch(epoch)
        found.append(made.complete)
    assert found == [False, False, False, True, True]
    assert made.step(batch())["registration"] > 0
