"""Sorting of slices into a volume, and its geometry."""

from __future__ import annotations

import numpy as np
from pydicom.uid import PositronEmissionTomographyImageStorage

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.errors import numbers_in
from medsynth_core.io.dicom.frames import Frame
from medsynth_core.io.suv.tags import listed, named, text

_SAME_PLACE = 1e-3
# Tolerance for slice positions, as a fraction of the slice spacing. Positions are rounded, and a PET stitched from
# several bed positions deviates by 1 to 2 %.
_TOLERANCE = 0.1
_ALIKE = 0.02  # for stated lengths
# Tags with the same value in all slices of a volume; de-identification may give different series the same UID.
_OF_ALL = ("SOPClassUID", "PatientID", "FrameOfReferenceUID")
_TIMES = {"DYNAMIC": "time frames", "GATED": "gates"}
# Series types with a single volume; "" if the type is not stated.
_ONE_VOLUME = ("STATIC", "WHOLE BODY", "")


def stack_frames(frames: list[Frame], name: str) -> tuple[list[Frame], np.ndarray]:
    """Return the frames sorted along their normal, and the 4×4 matrix from (i, j, k) to RAS millimetres.

    The third column of the matrix is the step from slice to slice according to their positions, which preserves the
    shear of a tilted gantry exactly.

    Args:
        frames: the slices of one series in any order.
        name: name of the series for messages.

    Raises:
        MedSynthError: the slices differ in class, patient, frame of reference, size, pixel spacing or orientation;
            several have the same position; some are missing; the spacing is uneven; or a single slice states no
            thickness.
    """
    _refuse_mixed(frames, name)
    row, column = frames[0].orientation
    normal = np.cross(row, column)
    ordered = sorted(frames, key=lambda frame: float(frame.position @ normal))
    positions = np.array([frame.position for frame in ordered])
    _refuse_repeated(positions @ normal, ordered, name)
    step = _step(positions, normal, ordered[0].thickness, name)
    lps = np.eye(4)
    lps[:3, 0] = row * ordered[0].spacing[1]
    lps[:3, 1] = column * ordered[0].spacing[0]
    lps[:3, 2] = step
    lps[:3, 3] = positions[0]
    return ordered, np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps


def doubt_spacing(frames: list[Frame]) -> list[str]:
    """Return a doubt if evenly spaced slices are a multiple of the stated distance apart, as if some were missing.

    Many programs state the gap between slices, or the distance before slices were averaged. Where the slice thickness
    shows that, there is no doubt.

    Args:
        frames: the slices in order.
    """
    first, stated = frames[0], frames[0].between
    if len(frames) < 2 or not stated or stated <= 0:
        return []
    apart = float(np.cross(*first.orientation) @ (frames[1].position - first.position))
    count = round(apart / stated)
    thickness = first.thickness or 0.0
    gap = _alike(thickness + stated, apart) and not _alike(thickness, stated)
    # High-resolution scans of the lung have slices of 1 mm every 10 or 20 mm.
    sampled = count > 3 and _alike(thickness, stated)
    if not thickness or sampled or count < 2 or not _alike(apart, count * stated) or _alike(thickness, apart) or gap:
        return []
    return [
        f"The slices are {apart:.4g} mm apart, but {named('SpacingBetweenSlices')} is {stated:.4g}: {count - 1} of "
        f"{count} slices may be missing; if so, copy the complete series again."
    ]


def _alike(one: float, other: float) -> bool:
    return abs(one - other) <= _ALIKE * other


def refuse_part(frames: list[Frame], name: str) -> None:
    """Refuse a PET with fewer slices than its Number of Slices, because slices missing at the ends leave no gap.

    Not checked are dynamic and gated series, which state the slices per time frame or gate; enhanced PET, whose files
    are always complete; and series with more slices than stated.

    Args:
        frames: the slices of one series.
        name: name of the series for messages.

    Raises:
        MedSynthError: slices are missing.
    """
    stated = [_stated_slices(frame) for frame in frames]
    # If slices differ, the lowest number is used, so that a wrong one does not make a complete series look incomplete.
    whole = min((number for number in stated if number), default=0)
    if len(frames) < whole:
        raise MedSynthError(
            f"Only {len(frames)} of the {whole} slices of {name} exist, according to its {named('NumberOfSlices')}; "
            "copy the complete series again."
        )


def _stated_slices(frame: Frame) -> int:
    """Return the number of slices that a classic PET slice states for its volume; 0 if it is not stated."""
    classic = frame.tags.get("SOPClassUID") == PositronEmissionTomographyImageStorage
    if not classic or text(frame.tags, "SeriesType") not in _ONE_VOLUME:
        return 0
    stated = numbers_in(frame.tags, "NumberOfSlices", 1, frame.file)
    return 0 if stated is None else int(stated[0])


def _refuse_mixed(frames: list[Frame], name: str) -> None:
    for keyword in _OF_ALL:
        values = {text(frame.tags, keyword) for frame in frames} - {""}
        if len(values) > 1:
            raise MedSynthError(
                f"The slices of {name} have {len(values)} different values of {named(keyword)}, so they are not a "
                "single volume, although their tags state one series; choose a folder with only one of them."
            )
    orientations = _distinct([frame.orientation.ravel() for frame in frames])
    if orientations > 1:
        raise MedSynthError(
            f"The slices of {name} have {orientations} different orientations, so they are not a single volume; "
            "choose a file or folder with the slices of one orientation only."
        )
    grids = _distinct([np.array([*frame.size, *frame.spacing]) for frame in frames])
    if grids > 1:
        raise MedSynthError(
            f"The slices of {name} have {grids} different sizes or pixel spacings, so they are not a single "
            "volume; choose a folder with the slices of one size only."
        )


def _distinct(rows: list[np.ndarray], tolerance: float = 1e-3) -> int:
    kept: list[np.ndarray] = []
    for row in rows:
        if not any(np.abs(row - other).max() <= tolerance for other in kept):
            kept.append(row)
    return len(kept)


def _refuse_repeated(heights: np.ndarray, ordered: list[Frame], name: str) -> None:
    """Refuse several slices at one position; ``heights`` are the positions along the normal, sorted."""
    repeated = np.diff(heights) <= _SAME_PLACE
    if not repeated.any():
        return
    places = np.split(heights, np.flatnonzero(~repeated) + 1)
    stated = listed(ordered[0].tags, "SeriesType") | listed(ordered[0].tags, "ImageType")
    kind = next((kind for kind in _TIMES if any(kind in entry for entry in stated)), "")
    if kind:
        raise MedSynthError(
            f"{name[:1].upper()}{name[1:]} is {kind.lower()} and has {max(map(len, places))} {_TIMES[kind]} at one "
            "position; export one of them, or their mean, as a separate series."
        )
    raise MedSynthError(
        f"{int(repeated.sum())} of the {len(heights)} slices of {name} have the same position as another "
        "one (several time points, echoes or copies); keep one slice per position."
    )


def _step(positions: np.ndarray, normal: np.ndarray, thickness: float | None, name: str) -> np.ndarray:
    """Return the vector from one slice to the next."""
    if len(positions) == 1:
        if not thickness:
            raise MedSynthError(f"The only slice of {name} states no thickness, so it is not a volume.")
        return normal * abs(thickness)
    gaps = np.diff(positions @ normal)
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    regular = positions[0] + np.arange(len(positions))[:, None] * step
    if np.linalg.norm(positions - regular, axis=1).max() > _TOLERANCE * gaps.mean():
        even = np.abs(gaps - gaps.mean()).max() <= _TOLERANCE * gaps.mean()
        raise _shifted(positions, name) if even else _irregular(gaps, name)
    return np.asarray(step)


def _shifted(positions: np.ndarray, name: str) -> MedSynthError:
    """Return the error for slices that are evenly spaced, but not in one line."""
    steps = np.diff(positions, axis=0)
    moves = np.linalg.norm(steps - np.median(steps, axis=0), axis=1)
    first = int(moves.argmax())
    return MedSynthError(
        f"The slices of {name} are shifted sideways against each other (slice {first + 2} by {moves[first]:.2f} mm), "
        "so they are not a single volume; export the series again, or resample it to one grid first."
    )


def _irregular(gaps: np.ndarray, name: str) -> MedSynthError:
    counts = np.rint(gaps / gaps.min()).astype(int)
    first = int(gaps.argmax())
    where = f"between slices {first + 1} and {first + 2}"
    if counts.max() > 1 and np.abs(gaps - counts * gaps.min()).max() <= _TOLERANCE * gaps.min():
        return MedSynthError(
            f"{int((counts - 1).sum())} slice(s) of {name} are missing, the first ones {where} "
            f"({gaps[first]:.2f} mm apart, others {gaps.min():.2f} mm); copy the complete series again."
        )
    return MedSynthError(
        f"The slices of {name} are unevenly spaced ({gaps.min():.2f} to {gaps.max():.2f} mm, widest {where}); "
        "resample the series to even spacing first."
    )
