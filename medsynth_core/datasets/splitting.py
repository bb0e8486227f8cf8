"""Division of cases into training, validation and test splits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medsynth_core.datasets.completeness import lacking_roles
from medsynth_core.datasets.manifest import SPLITS, Case, read_manifest, shared_patients, write_splits
from medsynth_core.datasets.spelling import same_spelling
from medsynth_core.errors import MedSynthError
from medsynth_core.systems.data_needs import DataNeeds

Shares = tuple[float, float, float]


def split_cases(
    cases: list[Case], shares: Shares = (0.7, 0.15, 0.15), seed: int = 0, *, keep: bool = False
) -> list[Case]:
    """Return the cases in the same order, each with a split; all cases of a patient get the same split.

    Patients are split rather than cases, because cases of one patient resemble each other and a model trained on some
    of them would score too well on the others. The same patients, shares and seed give the same splits, whatever the
    order of the cases.

    Args:
        cases: cases with or without a split.
        shares: shares of patients in train, val and test; their sum is 1, and 0 omits a split.
        seed: random seed for the order in which patients are drawn.
        keep: keep the split of patients that have one, and divide the others to match the shares as well as possible.
            A split whose share is 0 keeps its patients and gets no others; the shares are those of the rest then.

    Raises:
        MedSynthError: the shares are invalid, there are fewer patients than splits, no patient is left for a split, or
            ``keep`` is set and a patient has cases in several splits.
    """
    _check_shares(shares)
    if keep:
        for patient in shared_patients(cases).values():
            raise MedSynthError(
                f"The patient {patient.names} has cases in the splits {patient.splits}, so they cannot be kept; put "
                "all cases of the patient into one split."
            )
    patients = same_spelling(case.patient for case in cases)
    split = {patients[case.patient]: case.split for case in cases if keep and case.split}
    free = sorted(set(patients.values()) - split.keys())
    divided = [name for name, share in zip(SPLITS, shares, strict=True) if share]
    wanted = _counts(len(free) + sum(name in divided for name in split.values()), shares)
    order = [free[index] for index in np.random.default_rng(seed).permutation(len(free))]
    for patient in order:
        # The split that lacks the most patients; the first one in a tie.
        lacking = {name: wanted[SPLITS.index(name)] - list(split.values()).count(name) for name in divided}
        split[patient] = max(divided, key=lambda name: lacking[name])
    empty = [name for name, share in zip(SPLITS, shares, strict=True) if share and name not in split.values()]
    if empty:
        raise MedSynthError(
            f"No patient is left for the split '{empty[0]}' if existing splits are kept; add a patient, or split all "
            "patients again."
        )
    return [replace(case, split=split[patients[case.patient]]) for case in cases]


def split_for_training(
    cases: Sequence[Case], needs: DataNeeds, shares: Shares = (0.7, 0.15, 0.15), seed: int = 0, *, keep: bool = False
) -> list[Case]:
    """Split the cases as `split_cases` does, but put patients with an incomplete pair into train.

    Validation and test compare a synthetic image with a real one, so they need complete pairs.

    Args:
        cases: cases with or without a split.
        needs: data requirements of the training.
        shares: shares of patients in train, val and test; their sum is 1.
        seed: random seed for the order in which patients are drawn.
        keep: keep the split of patients that have one.

    Raises:
        MedSynthError: no case has all images, or as `split_cases`.
    """
    alone = {case.person for case in cases if not needs.paired and lacking_roles(case.files, needs)}
    if alone and all(case.person in alone for case in cases):
        raise MedSynthError("No case has both images, but validation and test need pairs; add complete cases.")
    begun = [replace(case, split="train" if case.person in alone else case.split if keep else "") for case in cases]
    return split_cases(begun, shares, seed, keep=True)


def split_manifest(
    manifest: str | Path,
    output: str | Path | None = None,
    *,
    shares: Shares = (0.7, 0.15, 0.15),
    seed: int = 0,
    keep: bool = False,
    needs: DataNeeds | None = None,
) -> list[Case]:
    """Split the patients of a manifest by `split_cases` or `split_for_training`, write it, and return the cases.

    Existing splits are never discarded in place: keep them, or write to another file.

    Args:
        manifest: CSV, with or without splits.
        output: CSV to write; None changes ``manifest`` in place.
        shares: shares of patients in train, val and test, as for `split_cases`.
        seed: random seed for the order in which patients are drawn.
        keep: keep the split of patients that have one.
        needs: data requirements of the training, for `split_for_training`; None splits all patients alike, whatever
            images they have.

    Raises:
        MedSynthError: as `split_for_training`, a file cannot be read or written, or splits would be lost.
    """
    cases = read_manifest(manifest, (), optional=needs.names if needs else (), unsplit=True)
    if not (keep or output) and any(case.split for case in cases):
        raise MedSynthError(
            f"The manifest {manifest} already has splits; keep them (--keep), or write new ones to another file "
            "(--output)."
        )
    if needs is None:
        cases = split_cases(cases, shares, seed, keep=keep)
    else:
        cases = split_for_training(cases, needs, shares, seed, keep=keep)
    write_splits(cases, Path(manifest), Path(output or manifest))
    return cases


def cases_by_split(cases: list[Case]) -> dict[str, list[str]]:
    """Return the names of the cases of train, val and test."""
    return {split: [case.name for case in cases if case.split == split] for split in SPLITS}


def next_step(cases: list[Case], manifest: Path) -> str:
    """Return the end of a sentence on a new manifest: how its cases get the splits that they do not have yet."""
    if all(case.split for case in cases):
        return ", all with the split that the data set states"
    if any(case.split for case in cases):
        # The test set of a data set stays as it is: the shares are those of the other cases.
        shares = " --shares 0.85 0.15 0" if any(case.split == "test" for case in cases) else ""
        return f"; divide those without a split with: medsynth pairs split {manifest} --keep{shares}"
    return f"; assign splits with: medsynth pairs split {manifest}"


def _check_shares(shares: Shares) -> None:
    if len(shares) != len(SPLITS) or not all(share >= 0 for share in shares) or not math.isclose(sum(shares), 1):
        raise MedSynthError(
            f"The shares {', '.join(f'{share:g}' for share in shares)} for train, val and test are invalid; use three "
            "numbers of 0 or above whose sum is 1."
        )


def _counts(patients: int, shares: Shares) -> list[int]:
    """Return the number of patients per split: at least one if its share is above 0."""
    used = [share > 0 for share in shares]
    if patients < sum(used):
        raise MedSynthError(
            f"{patients} patient{'s' * (patients != 1)} cannot be divided among {sum(used)} splits; add patients, or "
            "set the share of a split to 0."
        )
    counts = [int(any_) for any_ in used]
    while sum(counts) < patients:
        lacking = [share * patients - count for share, count in zip(shares, counts, strict=True)]
        counts[lacking.index(max(lacking))] += 1
    return counts
