"""Batches are joined, divided and moved with all their images and labels."""

from __future__ import annotations

import pytest
import torch

from medsynth_core.systems.base import Tally
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.pool import ImagePool


def batch(count: int = 5) -> Batch:
    first, second, target = (torch.arange(count * 4.0).reshape(count, 1, 2, 2) + 100 * n for n in range(3))
    dose = torch.arange(count)
    return Batch({"ct": first, "pet": second}, {"full": target}, {"dose": dose}, ("A", "B"))


def test_images_are_joined_along_the_channels_in_their_order():
    made = batch()
    assert len(made) == 5 and made.image.shape == (5, 2, 2, 2)
    assert torch.equal(made.image[:, :1], made.inputs["ct"]) and torch.equal(made.image[:, 1:], made.inputs["pet"])
    assert made.target is made.targets["full"]


def test_a_batch_is_divided_into_parts_with_their_share_of_it():
    made = batch()
    whole, share = next(made.split(1))
    assert whole is made and share == 1.0
    parts = list(made.split(2))
    assert [len(part) for part, _ in parts] == [3, 2]
    assert [share for _, share in parts] == pytest.approx([0.6, 0.4])
    for name in ("ct", "pet"):
        assert torch.equal(torch.cat([part.inputs[name] for part, _ in parts]), made.inputs[name])
    assert torch.equal(torch.cat([part.target for part, _ in parts]), made.target)
    assert torch.equal(torch.cat([part.labels["dose"] for part, _ in parts]), made.labels["dose"])
    assert all(part.cases == ("A", "B") for part, _ in parts)


def test_a_batch_moves_with_all_it_has():
    made = batch().to(torch.device("meta"))
    tensors = [*made.inputs.values(), *made.targets.values(), *made.labels.values()]
    assert len(tensors) == 4 and all(tensor.is_meta for tensor in tensors) and made.cases == ("A", "B")
    assert list(made.inputs) == ["ct", "pet"] and Batch({}, {"a": torch.zeros(3, 1)}).labels == {}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="pinned memory needs a CUDA device")
def test_a_batch_is_pinned_for_a_gpu():
    assert all(tensor.is_pinned() for tensor in batch().pin_memory().inputs.values())


def test_losses_of_parts_are_weighted_by_their_share():
    tally = Tally()
    tally.add(0.75, {"loss": torch.tensor(4.0, requires_grad=True), "l1": torch.tensor(1.0)})
    tally.add(0.25, {"loss": torch.tensor(8.0), "l1": torch.tensor(3.0)})
    means = tally.means(Engine.__new__(Engine))
    assert means == {"loss": pytest.approx(5.0), "l1": pytest.approx(1.5)}
    assert list(means) == ["loss", "l1"]


def shown(pool: ImagePool, count: int, each: int = 2) -> list[float]:
    return [float(value) for n in range(count) for value in pool(torch.full((each, 1, 1, 1), float(n))).flatten()]


def test_a_pool_shows_new_images_until_it_is_full_and_then_old_ones_half_of_the_time():
    pool = ImagePool(50, seed=1)
    assert shown(pool, 25) == [float(n) for n in range(25) for _ in range(2)]
    later = [value < n for n in range(1000, 1200) for value in pool(torch.full((4, 1, 1, 1), float(n))).flatten()]
    assert sum(later) / len(later) == pytest.approx(0.5, abs=0.05)


def test_a_pool_gives_each_image_away_once_and_any_of_them():
    pool = ImagePool(4, seed=2)
    given = torch.arange(400.0).view(-1, 1, 1, 1)
    seen = torch.cat([pool(part) for part in given.split(1)]).flatten().tolist()
    stored = [float(image) for image in pool.state()["images"]]
    assert len(stored) == 4 and len(set(stored)) == 4
    # The first four are shown when they fill the pool; what is taken out later is shown then.
    swapped = [value for n, value in enumerate(seen) if n >= 4 and value != n]
    assert len(swapped) == len(set(swapped)) and len(set(swapped) & {0.0, 1.0, 2.0, 3.0}) >= 3
    assert not set(stored) & set(swapped)


def test_a_pool_keeps_images_of_its_own():
    pool = ImagePool(1, seed=0)
    image = torch.zeros(1, 1, 1, 1)
    pool(image)
    image += 5
    assert float(pool.state()["images"][0]) == 0


def test_pools_of_another_seed_choose_otherwise_and_one_without_images_changes_nothing():
    one, two, same = (shown(ImagePool(3, seed), 40) for seed in (0, 1, 0))
    assert one == same and one != two
    image = torch.zeros(2, 1, 1, 1)
    assert ImagePool(0, 0)(image) is image
