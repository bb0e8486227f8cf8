"""Which cases train a model, which choose its best epoch, and which judge it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from medsynth_core.datasets.manifest import SPLITS, Case, shared_patients
from medsynth_core.errors import MedSynthError

Shares = tuple[float, float, float]


def split_cases(
    cases: list[Case], shares: Shares = (0.7, 0.15, 0.15), seed: int = 0, *, keep: bool = False
) -> list[Case]:
    """Return the cases in their order, each with a split; all cases of a patient get the same one.

    Slices or cases of one patient resemble each other, so that a model which saw some of them looks better on the
    others than it is: what is divided is the list of patients. The same patients, shares and seed give the same
    splits, in whatever order the cases come.

    Args:
        cases: with or without a split.
        shares: of the patients in train, val and test, 1 together; 0 leaves a split out.
        seed: of the order in which patients are drawn.
        keep: leave patients in the split that they have, and divide the others so that the shares are met as well as
            can be.

    Raises:
        MedSynthError: shares that are none, fewer patients than splits, no patient left for a split, or a patient
            with cases in several splits that shall be kept.
    """
    _check_shares(shares)
    if keep:
        for patient, splits in shared_patients(cases).items():
            raise MedSynthError(
                f"The patient '{patient}' has cases in the splits {' and '.join(splits)}, which cannot be kept; put "
                "them into one."
            )
    split = {case.patient: case.split for case in cases if keep and case.split}
    free = sorted({case.patient for case in cases} - split.keys())
    wanted = _counts(len(free) + len(split), shares)
    order = [free[index] for index in np.random.default_rng(seed).permutation(len(free))]
    for patient in order:
        # Whichever split lacks most patients; the first of them when several do.
        have = [list(split.values()).count(name) for name in SPLITS]
        lacking = [count - present for count, present in zip(wanted, have, strict=True)]
        split[patient] = SPLITS[lacking.index(max(lacking))]
    empty = [name for name, share in zip(SPLITS, shares, strict=True) if share and name not in split.values()]
    if empty:
        raise MedSynthError(
            f"No patient is left for the split '{empty[0]}' when the others stay where they are; add a patient, or "
            "divide all of them anew."
        )
    return [replace(case, split=split[case.patient]) for case in cases]


def _check_shares(shares: Shares) -> None:
    if len(shares) != len(SPLITS) or not all(share >= 0 for share in shares) or not math.isclose(sum(shares), 1):
        raise MedSynthError(
            f"The shares {', '.join(f'{share:g}' for share in shares)} do not divide patients among train, val and "
            "test; give three numbers of 0 or more whose sum is 1."
        )


def _counts(patients: int, shares: Shares) -> list[int]:
    """Return how many patients each split shall have: at least one where its share is above 0."""
    used = [share > 0 for share in shares]
    if patients < sum(used):
        raise MedSynthError(
            f"{patients} patient{'s' * (patients != 1)} cannot be divided among {sum(used)} splits; add patients, or "
            "give a split the share 0."
        )
    counts = [int(any_) for any_ in used]
    while sum(counts) < patients:
        lacking = [share * patients - count for share, count in zip(shares, counts, strict=True)]
        counts[lacking.index(max(lacking))] += 1
    return counts
