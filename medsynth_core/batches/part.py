"""A part of a batch, for several processes that do not know of each other, such as the jobs of an array."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from medsynth_core.errors import MedSynthError

T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """Part ``number`` (from 1) of ``count``: every ``count``-th study, so that each part has some of every folder."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Part:
        """Return the part in a text such as ``2/8``.

        Raises:
            MedSynthError: it is not of this form, or there is no such part.
        """
        found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
        part = cls(int(found[1]), int(found[2])) if found else cls(0)
        if not 1 <= part.number <= part.count:
            raise MedSynthError(
                f"The part '{text}' is not of the form NUMBER/COUNT, from 1/8 to 8/8; for example: 2/8."
            )
        return part

    @classmethod
    def of_environment(cls) -> Part:
        """Return the part of this job of an array of SLURM, by its variables; all studies outside of one.

        Raises:
            MedSynthError: the array leaves numbers out, or begins with another than 0 or 1, so that no job would
                process some studies.
        """
        job, first, last, count = (
            os.environ.get(f"SLURM_ARRAY_TASK_{name}", "") for name in ("ID", "MIN", "MAX", "COUNT")
        )
        if not all(text.isdigit() for text in (job, first, last, count)):
            return cls()
        if int(first) not in (0, 1):
            raise MedSynthError(
                f"The numbers of the job array begin with {first}, so the part of this job is unknown; number the jobs "
                "from 0 or 1, or give the part."
            )
        if int(last) - int(first) + 1 != int(count):
            raise MedSynthError(
                f"The job array leaves out numbers from {first} to {last}, so that no job would process some studies; "
                "number its jobs without gaps, or give the part."
            )
        return cls(int(job) - int(first) + 1, int(count))

    @property
    def is_all(self) -> bool:
        """Whether it has all studies."""
        return self.count == 1

    def of(self, items: Sequence[T]) -> list[T]:
        """Return the items of this part."""
        return list(items[self.number - 1 :: self.count])

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}"
