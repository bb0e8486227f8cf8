"""Retries work with smaller and smaller plans when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from medsynth_core.errors import MedSynthError

# Messages by which CPU and GPU libraries report that memory ran out, where they have no exception class for it.
NO_MEMORY = ("not enough memory", "out of memory", "can't allocate memory", "ALLOC_FAILED")

T = TypeVar("T")


def is_memory_error(error: BaseException) -> bool:
    """Return whether an exception reports that memory ran out, on any device."""
    if isinstance(error, MemoryError):
        return True
    # torch.OutOfMemoryError is a RuntimeError too; its message contains "out of memory".
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in NO_MEMORY)


class Ladder:
    """Retries work with less memory each time.

    Args:
        steps: each reduces the memory that the work needs and returns a sentence describing how, or ``""`` if it
            cannot; the first step that succeeds is used.
        refusal: returns the error message for when no step is left.
    """

    def __init__(self, steps: Sequence[Callable[[], str]], refusal: Callable[[], str]) -> None:
        self._steps, self._refusal = steps, refusal

    def run(self, work: Callable[[], T], log: Callable[[str], None]) -> T:
        """Return the result of ``work``, reducing its memory as often as needed; each reduction is passed to ``log``.

        Raises:
            MedSynthError: even the smallest plan does not fit into memory.
        """
        while True:
            try:
                return work()
            except (MemoryError, RuntimeError) as error:
                if not is_memory_error(error):
                    raise
                # Drop the traceback: it holds references to the data that filled the memory.
                problem = error.with_traceback(None)
            _free_device_memory()
            told = next((sentence for step in self._steps if (sentence := step())), "")
            if not told:
                raise MedSynthError(self._refusal(), kind="device") from problem
            log(told)


def _free_device_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
