"""Checks of a data set before training, for cases that are unusable or misleading."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from medsynth_core.datasets.completeness import file_problems, needed_cases, needs_pair, set_problems
from medsynth_core.datasets.image_checks import check_image, digest
from medsynth_core.datasets.manifest import Case, shared_patients
from medsynth_core.datasets.stated_facts import unit_notes
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.registration.quality import Agreement, agreement
from medsynth_core.systems.data_needs import DataNeeds
from medsynth_core.volume import Volume

State = Literal["good", "doubtful", "refused"]

# A pair is doubtful if its mutual information or body Dice is more than this many robust standard deviations below the
# median of the set (1.4826 times the median absolute deviation, which bad pairs hardly affect). For a normal
# distribution, this flags 1 of 160 well-registered pairs, which is cheap to review.
FAR_BELOW = 2.5
MAD_TO_DEVIATION = 1.4826
# Lower limits of the standard deviation, for sets whose pairs are nearly identical: of Dice, and of mutual information
# relative to its median.
SMALLEST_DICE_DEVIATION = 0.01
SMALLEST_INFORMATION_DEVIATION = 0.05
# With fewer pairs, the median is not reliable.
FEWEST_PAIRS = 5
# Below this Dice, the images do not show the same part of the patient, regardless of the rest of the set.
LOWEST_DICE = 0.7


@dataclass(frozen=True)
class CaseCheck:
    """Result of checking a case.

    Attributes:
        case: name of the case.
        split: ``train``, ``val``, ``test`` or ``""``.
        patient: patient of the case.
        state: ``good``; ``doubtful``: a person should review it; ``refused``: it cannot be used for training.
        problems: one sentence each.
        mutual_information: of the first two roles, in nats; None if it cannot be computed or they are not a pair.
        body_dice: Dice overlap (0…1) of the bodies in the first two roles; None likewise.
    """

    case: str
    split: str
    patient: str
    state: State
    problems: tuple[str, ...]
    mutual_information: float | None
    body_dice: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


@dataclass(frozen=True)
class DataChecks:
    """Result of checking a data set.

    Attributes:
        cases: one check per case, in the order of the cases.
        problems: why the set as a whole cannot be used for training (a split without cases, for example), one
            sentence each.
        notes: what is true of several cases and no reason to doubt them, one sentence for each role: a unit that is
            assumed.
    """

    cases: tuple[CaseCheck, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Number of good, doubtful and refused cases."""
        found = Counter(check.state for check in self.cases)
        return {state: found[state] for state in ("good", "doubtful", "refused")}

    @property
    def refusal(self) -> str:
        """Why training cannot start with this data, in sentences; ``""`` if it can."""
        refused = self.counts["refused"]
        sentence = f"{refused} of {len(self.cases)} cases cannot be used for training; fix or remove them."
        return " ".join([*self.problems, *([sentence] if refused else [])])

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: ``cases``, ``counts``, ``problems``, ``notes`` and ``refusal``."""
        return {
            "cases": [check.to_dict() for check in self.cases],
            "counts": self.counts,
            "problems": list(self.problems),
            "notes": list(self.notes),
            "refusal": self.refusal,
        }

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return the columns and rows of a table for display."""
        return ["case", "split", "state", "MI", "Dice", "problems"], [_row(check) for check in self.cases]


@dataclass
class _Findings:
    """Findings on a case, collected while the set is read."""

    case: Case
    refused: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    agreements: dict[str, Agreement] = field(default_factory=dict)


def check_data(
    manifest: str | Path, needs: DataNeeds, progress: Progress | ProgressCallback | None = None
) -> DataChecks:
    """Check whether the data listed in a manifest can be used for training.

    The command line, the panel and Python share this function. `completeness.training_cases`, which training calls
    first, applies the same rules for files and splits.

    Args:
        manifest: CSV, see `medsynth_core.datasets.manifest.read_manifest`; missing splits are reported as a problem of
            the set.
        needs: data requirements of the training, such as ``Recipe.needs``.
        progress: called as ``progress(fraction, message)``.

    Raises:
        MedSynthError: the manifest cannot be read, lacks a column, lists a case twice, or a patient in two splits.
        Cancelled: the progress callback asked to stop.
    """
    cases = needed_cases(manifest, needs)
    checked = tuple(check_cases(cases, needs, progress))
    return DataChecks(checked, tuple(set_problems(cases, needs, manifest)), tuple(unit_notes(cases, needs)))


def check_cases(
    cases: Sequence[Case], needs: DataNeeds, progress: Progress | ProgressCallback | None = None
) -> list[CaseCheck]:
    """Check cases for everything that makes them unusable or misleading for training.

    Refused: a missing or unreadable file; a wrong modality or unit, according to the file or to its values (only a CT
    may have Hounsfield units); images that do not overlap; the same patient in two splits; the same image in two
    splits. Doubtful: images made by a model; values that look like another unit; the same image in two cases of a
    split; pairs with worse registration quality than the other cases, that is, with mutual information or body Dice
    more than `FAR_BELOW` robust standard deviations below the median of the set, or with a Dice below `LOWEST_DICE`.

    If ``needs`` are unpaired, cases outside ``val`` and ``test`` need only one side (`DataNeeds.sides`), and their
    images are not compared.

    Args:
        cases: read with ``check_files=False``, so that all missing files are reported at once.
        needs: data requirements of the training. Images of the first role are compared with those of the others.
        progress: called as ``progress(fraction, message)``.

    Returns:
        One `CaseCheck` per case, in the order of the cases.

    Raises:
        Cancelled: the progress callback asked to stop.
    """
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    found = []
    for index, case in enumerate(cases):
        progress(index / len(cases), f"Checking {case.name}")
        found.append(_look_at(case, needs))
    _find_shared_patients(found)
    _find_copies(found)
    for role in needs.names[1:]:
        _find_misregistered(found, needs.names[0], role)
    progress(1.0, "All cases are checked")
    return [_check(findings, needs.names) for findings in found]


def _row(check: CaseCheck) -> list[str]:
    measured = ["" if value is None else f"{value:.3f}" for value in (check.mutual_information, check.body_dice)]
    return [check.case, check.split, check.state, *measured, " ".join(check.problems)]


def _check(findings: _Findings, roles: tuple[str, ...]) -> CaseCheck:
    state: State = "refused" if findings.refused else "doubtful" if findings.doubtful else "good"
    measured = findings.agreements.get(roles[1]) if len(roles) > 1 else None
    return CaseCheck(
        case=findings.case.name,
        split=findings.case.split,
        patient=findings.case.patient,
        state=state,
        problems=(*findings.refused, *findings.doubtful),
        mutual_information=measured.mutual_information if measured else None,
        body_dice=measured.body_dice if measured else None,
    )


def _look_at(case: Case, needs: DataNeeds) -> _Findings:
    """Read a case and check it independently of the others."""
    findings = _Findings(case, refused=file_problems(case, needs))
    volumes: dict[str, Volume] = {}
    for role in needs.roles:
        file = case.files.get(role.name)
        if file is None or not os.path.isfile(file):
            continue  # already reported, unless the role is optional
        image = check_image(file, role)
        findings.refused.extend(image.refused)
        findings.doubtful.extend(image.doubtful)
        if image.volume is not None:
            findings.digests[role.name] = digest(image.volume)
            volumes[role.name] = image.volume
    if needs_pair(case, needs):
        _compare(volumes, needs.names, findings)
    return findings


def _compare(volumes: dict[str, Volume], roles: tuple[str, ...], findings: _Findings) -> None:
    """Measure the registration quality between the image of the first role and each of the others."""
    first, *others = roles
    for role in others:
        if first in volumes and role in volumes:
            measured = agreement(volumes[first], volumes[role])
            if measured is None:
                findings.refused.append(f"{first} and {role} do not overlap, or hardly so.")
            else:
                findings.agreements[role] = measured


def _find_shared_patients(found: list[_Findings]) -> None:
    shared = shared_patients([findings.case for findings in found])
    for findings in found:
        if patient := shared.get(findings.case.person):
            findings.refused.append(f"The patient {patient.names} is in the splits {patient.splits}.")


def _find_copies(found: list[_Findings]) -> None:
    places: dict[str, list[tuple[_Findings, str]]] = {}
    for findings in found:
        for role, fingerprint in findings.digests.items():
            places.setdefault(fingerprint, []).append((findings, role))
    for copies in places.values():
        for findings, role in copies:
            for other, other_role in copies:
                if (other, other_role) != (findings, role):
                    _report_copy(findings, role, other, other_role)


def _report_copy(findings: _Findings, role: str, other: _Findings, other_role: str) -> None:
    if other is findings:
        findings.refused.append(f"{role} and {other_role} are the same image.")
    elif other.case.split != findings.case.split:
        findings.refused.append(f"{role} is also {other_role} of {other.case.name}, in the split {other.case.split}.")
    else:
        findings.doubtful.append(f"{role} is also {other_role} of {other.case.name}.")


def _find_misregistered(found: list[_Findings], first: str, role: str) -> None:
    """Compare the registration quality of ``first`` and ``role`` with that of the set."""
    measured = [(findings, findings.agreements[role]) for findings in found if role in findings.agreements]
    information = np.array([values.mutual_information for _, values in measured])
    dice = np.array([values.body_dice for _, values in measured])
    least = SMALLEST_INFORMATION_DEVIATION * float(np.median(information)) if measured else 0.0
    low_information = _limit(information, least)
    low_dice = max(_limit(dice, SMALLEST_DICE_DEVIATION), LOWEST_DICE)
    for findings, values in measured:
        reasons = []
        if values.body_dice < low_dice:
            reasons.append(f"body Dice {values.body_dice:.2f}, median of the set {np.median(dice):.2f}")
        if values.mutual_information < low_information:
            reasons.append(
                f"mutual information {values.mutual_information:.2f}, median of the set {np.median(information):.2f}"
            )
        if reasons:
            findings.doubtful.append(
                f"{first} and {role} may be misaligned ({'; '.join(reasons)}): view them as an overlay, and register "
                "them if necessary."
            )


def _limit(values: np.ndarray, smallest_deviation: float) -> float:
    """Return the value below which a pair is an outlier."""
    if len(values) < FEWEST_PAIRS:
        return -np.inf
    median = float(np.median(values))
    deviation = MAD_TO_DEVIATION * float(np.median(np.abs(values - median)))
    return median - FAR_BELOW * max(deviation, smallest_deviation)
