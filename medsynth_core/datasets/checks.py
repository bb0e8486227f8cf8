"""What is wrong with the cases of a training, told before it starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from medsynth_core.datasets.manifest import Case, shared_patients
from medsynth_core.errors import MedSynthError
from medsynth_core.io.reading import read_volume
from medsynth_core.preparation.agreement import Agreement, agreement
from medsynth_core.preparation.contract import MODALITY_NAMES, not_hounsfield
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.volume import Volume

State = Literal["good", "doubtful", "refused"]

# A pair is doubtful when its mutual information or body Dice lies farther below the median of the set than this many
# robust standard deviations (1.4826 times the median absolute deviation, which the bad pairs themselves hardly
# change). Of well registered pairs 1 in 160 does, if they scatter normally; a look at that one costs little.
FAR_BELOW = 2.5
MAD_TO_DEVIATION = 1.4826
# Where the pairs of a set are almost alike, differences of this size mean nothing: of Dice, and of mutual information
# as a share of its median.
SMALLEST_DICE_DEVIATION = 0.01
SMALLEST_INFORMATION_DEVIATION = 0.05
# Fewer pairs have no median to speak of.
FEWEST_PAIRS = 5
# Bodies that have less in common do not show one place, however bad the rest of the set is.
LOWEST_DICE = 0.7
# SUVs above are those of an injection site; activity concentrations of a patient are thousands of Bq/mL.
HIGHEST_SUV = 100.0


class Wanted(Protocol):
    """What a role's volumes shall be: `medsynth_core.preparation.contract.Side` is one."""

    @property
    def modality(self) -> str:
        """DICOM modality."""

    @property
    def unit(self) -> str:
        """Unit of the voxels."""


@dataclass(frozen=True)
class RoleKind:
    """Modality and unit of a role, where there is no recipe that says them."""

    modality: str
    unit: str = ""


@dataclass(frozen=True)
class CaseCheck:
    """What was found in a case.

    Attributes:
        case: its name.
        split: where it belongs to.
        patient: whose it is.
        state: ``good``; ``doubtful``, a person should look at it; ``refused``, nothing can be trained with it.
        problems: a sentence each.
        mutual_information: of the first two roles, in nats; None where it cannot be computed.
        body_dice: Dice overlap of the bodies in the first two roles, 0…1; None as well.
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


@dataclass
class _Findings:
    """What is known of a case while the set is read."""

    case: Case
    refused: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    agreements: dict[str, Agreement] = field(default_factory=dict)


def check_cases(
    cases: Sequence[Case], sides: Mapping[str, Wanted], progress: Progress | ProgressCallback | None = None
) -> list[CaseCheck]:
    """Look for everything that makes cases useless or misleading to train with.

    Refused are a missing or unreadable file; another modality or unit than wanted, by what the file says of itself and
    by its values (a CT is in Hounsfield units, and nothing else is); images without a place in common; the same patient
    in two splits; and one image in two splits. Doubtful are images that a model made; values that look like another
    unit; one image in two cases of a split; and images that lie on each other worse than those of the other cases:
    their mutual information, or the Dice overlap of the bodies in them, lies more than `FAR_BELOW` robust standard
    deviations below the median of the set, or the Dice below `LOWEST_DICE`.

    Args:
        cases: read with ``check_files=False``, so that all missing files are told at once.
        sides: role → what its volumes shall be. The first is compared with each of the others.
        progress: called as ``progress(fraction, message)``.

    Returns:
        A `CaseCheck` for each case, in their order.

    Raises:
        Cancelled: the progress callback asked to stop.
    """
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    found = []
    for index, case in enumerate(cases):
        progress(index / len(cases), f"Checking {case.name}")
        found.append(_look_at(case, sides))
    _find_shared_patients(found)
    _find_copies(found)
    for role in list(sides)[1:]:
        _find_misregistered(found, next(iter(sides)), role)
    progress(1.0, "All cases are checked")
    return [_check(findings, list(sides)) for findings in found]


def table(checks: Sequence[CaseCheck]) -> tuple[list[str], list[list[str]]]:
    """Return the columns and rows of a table for people."""
    rows = [
        [
            check.case,
            check.split,
            check.state,
            "" if check.mutual_information is None else f"{check.mutual_information:.3f}",
            "" if check.body_dice is None else f"{check.body_dice:.3f}",
            " ".join(check.problems),
        ]
        for check in checks
    ]
    return ["case", "split", "state", "MI", "Dice", "problems"], rows


def count_states(checks: Sequence[CaseCheck]) -> dict[str, int]:
    """Return how many cases are good, doubtful and refused."""
    found = Counter(check.state for check in checks)
    return {state: found[state] for state in ("good", "doubtful", "refused")}


def _check(findings: _Findings, roles: list[str]) -> CaseCheck:
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


def _look_at(case: Case, sides: Mapping[str, Wanted]) -> _Findings:
    """Read a case and judge it without the others."""
    findings = _Findings(case)
    volumes: dict[str, Volume] = {}
    for role, wanted in sides.items():
        volume = _read(case.files.get(role), role, wanted, findings)
        if volume is not None:
            findings.digests[role] = _digest(volume)
            volumes[role] = volume
    first = next(iter(sides), "")
    for role in list(sides)[1:]:
        if first in volumes and role in volumes:
            measured = agreement(volumes[first], volumes[role])
            if measured is None:
                findings.refused.append(f"{first} and {role} have no place in common, or next to none.")
            else:
                findings.agreements[role] = measured
    return findings


def _read(file: Path | None, role: str, wanted: Wanted, findings: _Findings) -> Volume | None:
    if file is None:
        findings.refused.append(f"There is no file for '{role}'.")
        return None
    try:
        volume = read_volume(file, wanted.modality, wanted.unit)
    except MedSynthError as error:
        findings.refused.append(error.message)
        return None
    not_ct = not_hounsfield(volume.voxels)
    if wanted.unit == "HU" and not_ct:
        findings.refused.append(f"{role}: {not_ct[0]}")
        return None
    if wanted.modality != "CT" and not not_ct:
        kind = MODALITY_NAMES.get(wanted.modality, wanted.modality)
        findings.refused.append(f"{role}: The values are Hounsfield units, so this is a CT and no {kind}.")
        return None
    if volume.is_synthetic:
        findings.doubtful.append(f"{role}: The image is itself synthetic, so a model would learn from a model.")
    findings.doubtful.extend(f"{role}: {reason}" for reason in _strange_values(volume.voxels, wanted))
    return volume


def _strange_values(voxels: np.ndarray, wanted: Wanted) -> list[str]:
    """Return why voxels look like another unit than wanted, or like no image."""
    low, high = float(voxels.min()), float(np.percentile(voxels, 99.9))
    if low == voxels.max():
        return [f"All voxels have the value {low:g}."]
    if wanted.unit.startswith("SUV") and high > HIGHEST_SUV:
        return [f"Values up to {high:g} are hardly {wanted.unit}; Bq/mL, perhaps."]
    if wanted.unit == "Bq/mL" and high < HIGHEST_SUV:
        return [f"Values up to {high:g} are hardly Bq/mL; SUV, perhaps."]
    return []


def _digest(volume: Volume) -> str:
    """Return a fingerprint of the voxels, the same in whatever type they are stored."""
    voxels = np.ascontiguousarray(volume.voxels, dtype=np.float32)
    return blake2b(voxels.tobytes() + str(voxels.shape).encode(), digest_size=16).hexdigest()


def _find_shared_patients(found: list[_Findings]) -> None:
    shared = shared_patients([findings.case for findings in found])
    for findings in found:
        patient = findings.case.patient
        if patient in shared:
            findings.refused.append(f"The patient '{patient}' is in the splits {' and '.join(shared[patient])}.")


def _find_copies(found: list[_Findings]) -> None:
    places: dict[str, list[tuple[_Findings, str]]] = {}
    for findings in found:
        for role, digest in findings.digests.items():
            places.setdefault(digest, []).append((findings, role))
    for copies in places.values():
        for findings, role in copies:
            for other, other_role in copies:
                if (other, other_role) != (findings, role):
                    _tell_copy(findings, role, other, other_role)


def _tell_copy(findings: _Findings, role: str, other: _Findings, other_role: str) -> None:
    if other is findings:
        findings.refused.append(f"{role} and {other_role} are the same image.")
    elif other.case.split != findings.case.split:
        findings.refused.append(f"{role} is also {other_role} of {other.case.name}, in the split {other.case.split}.")
    else:
        findings.doubtful.append(f"{role} is also {other_role} of {other.case.name}.")


def _find_misregistered(found: list[_Findings], first: str, role: str) -> None:
    """Compare the agreement of ``first`` and ``role`` with the set's."""
    measured = [(findings, findings.agreements[role]) for findings in found if role in findings.agreements]
    information = np.array([values.mutual_information for _, values in measured])
    dice = np.array([values.body_dice for _, values in measured])
    least = SMALLEST_INFORMATION_DEVIATION * float(np.median(information)) if measured else 0.0
    low_information = _limit(information, least)
    low_dice = max(_limit(dice, SMALLEST_DICE_DEVIATION), LOWEST_DICE)
    for findings, values in measured:
        reasons = []
        if values.body_dice < low_dice:
            reasons.append(f"Dice of the bodies {values.body_dice:.2f}, median of the set {np.median(dice):.2f}")
        if values.mutual_information < low_information:
            reasons.append(
                f"mutual information {values.mutual_information:.2f}, median of the set {np.median(information):.2f}"
            )
        if reasons:
            findings.doubtful.append(f"{first} and {role} may not lie on each other ({'; '.join(reasons)}).")


def _limit(values: np.ndarray, smallest_deviation: float) -> float:
    """Return the value below which a pair is far from the others."""
    if len(values) < FEWEST_PAIRS:
        return -np.inf
    median = float(np.median(values))
    deviation = MAD_TO_DEVIATION * float(np.median(np.abs(values - median)))
    return median - FAR_BELOW * max(deviation, smallest_deviation)
