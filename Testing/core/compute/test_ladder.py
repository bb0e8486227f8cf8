"""Work that runs out of memory is tried again with a smaller plan."""

from __future__ import annotations

import pytest
import torch

from medsynth_core.compute.ladder import Ladder, is_memory_error
from medsynth_core.errors import MedSynthError


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 999 bytes"), True),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_memory_errors_are_told_from_others(error: Exception, expected: bool) -> None:
    assert is_memory_error(error) is expected


class Plan:
    """Holds batches of one, on a computer with room for ``room`` slices."""

    def __init__(self, room: int) -> None:
        self.room, self.batch, self.device = room, 8, "cuda"
        self.log: list[str] = []

    def work(self) -> str:
        if self.batch > self.room or (self.device == "cuda" and self.room == 1):
            raise MemoryError
        return f"{self.batch} on {self.device}"

    def halve(self) -> str:
        self.batch //= 2
        return f"batches of {self.batch}" if self.batch else ""

    def to_cpu(self) -> str:
        if self.device == "cpu":
            return ""
        self.device, self.batch = "cpu", 1
        return "on the CPU"

    def run(self) -> str:
        return Ladder([self.halve, self.to_cpu], lambda: f"no room for {self.batch}").run(self.work, self.log.append)


def test_the_first_plan_that_fits_is_taken_and_every_step_is_logged() -> None:
    plan = Plan(3)
    assert plan.run() == "2 on cuda" and plan.log == ["batches of 4", "batches of 2"]


def test_the_next_step_is_taken_where_the_first_is_exhausted() -> None:
    plan = Plan(1)
    assert plan.run() == "1 on cpu" and plan.log[-1] == "on the CPU"


def test_without_a_step_left_it_is_refused_with_the_plan_as_it_is_then() -> None:
    with pytest.raises(MedSynthError, match="no room for 0") as refused:
        Plan(0).run()
    assert refused.value.kind == "device"


def test_other_errors_are_not_tried_again() -> None:
    def broken() -> None:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        Ladder([lambda: "never"], lambda: "never").run(broken, lambda said: pytest.fail(said))
