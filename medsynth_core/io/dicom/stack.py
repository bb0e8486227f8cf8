"""Slices put in order, and the matrix of the volume that they make."""

from __future__ import annotations

import numpy as np
from pydicom.uid import PositronEmissionTomographyImageStorage

from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.damage import numbers_in
from medsynth_core.io.dicom.frames import Frame
from medsynth_core.io.suv.tags import listed, named, text

_SAME_PLACE = 1e-3
# Part of the slice spacing by which a slice may lie off its regular place. Positions are rounded, and a PET
# that is stitched from several bed positions is off by 1 to 2 %.
_TOLERANCE = 0.1
# What slices of one volume have in common; programs that replace what identifies a patient give series the same UIDs.
_OF_ALL = ("SOPClassUID", "PatientID", "FrameOfReferenceUID")
_TIMES = {"DYNAMIC": "time frames", "GATED": "gates"}
# Series that are one volume; "" where a PET does not say what it is.
_ONE_VOLUME = ("STATIC", "WHOLE BODY", "")


def stack_frames(frames: list[Frame], name: str) -> tuple[list[Frame], np.ndarray]:
    """Return the frames in order along their normal, and the 4×4 matrix from (i, j, k) to RAS millimetres.

    The third column of the matrix is the way from slice to slice as the positions state it, so that the
    shear of a tilted gantry is kept exactly.

    Args:
        frames: the slices of one series in any order.
        name: the series, as the sentences call it.

    Raises:
        MedSynthError: slices of different kind, patient, frame of reference, size, pixel spacing or orientation;
            several at one place; missing ones; uneven spacing; or a single one of unstated thickness.
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


def refuse_part(frames: list[Frame], name: str) -> None:
    """Refuse a PET of which fewer slices are there than its Number of Slices says: the ends leave no gap.

    Dynamic and gated series are left alone: they state the slices of each time or gate. So is enhanced PET, whose
    files are whole or not at all, and a series with more slices than it states.

    Args:
        frames: the slices of one series.
        name: the series, as the sentences call it.

    Raises:
        MedSynthError: slices are missing.
    """
    stated = [_stated_slices(frame) for frame in frames]
    # Where slices differ the least that one states counts: a mistake must not make a whole series look like a part.
    whole = min((number for number in stated if number), default=0)
    if len(frames) < whole:
        raise MedSynthError(
            f"Only {len(frames)} of the {whole} slices of {name} are there, by its {named('NumberOfSlices')}; copy the "
            "series again, whole."
        )


def _stated_slices(frame: Frame) -> int:
    """Return of how many slices the one volume is that a classic PET slice belongs to, 0 where it does not say."""
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
                f"The slices of {name} have {len(values)} different values of {named(keyword)}, so they are no single "
                "volume, though of one series by their tags; give a folder with the slices of one of them only."
            )
    orientations = _distinct([frame.orientation.ravel() for frame in frames])
    if orientations > 1:
        raise MedSynthError(
            f"The slices of {name} have {orientations} different orientations, so they are no single volume; "
            "give one file or folder with the slices of one orientation only."
        )
    grids = _distinct([np.array([*frame.size, *frame.spacing]) for frame in frames])
    if grids > 1:
        raise MedSynthError(
            f"The slices of {name} have {grids} different sizes or pixel spacings, so they are no single "
            "volume; give a folder with the slices of one size only."
        )


def _distinct(rows: list[np.ndarray], tolerance: float = 1e-3) -> int:
    kept: list[np.ndarray] = []
    for row in rows:
        if not any(np.abs(row - other).max() <= tolerance for other in kept):
            kept.append(row)
    return len(kept)


def _refuse_repeated(heights: np.ndarray, ordered: list[Frame], name: str) -> None:
    """Refuse several slices at one place; ``heights`` are the places in order."""
    repeated = np.diff(heights) <= _SAME_PLACE
    if not repeated.any():
        return
    places = np.split(heights, np.flatnonzero(~repeated) + 1)
    stated = listed(ordered[0].tags, "SeriesType") | listed(ordered[0].tags, "ImageType")
    kind = next((kind for kind in _TIMES if any(kind in entry for entry in stated)), "")
    if kind:
        raise MedSynthError(
            f"{name[:1].upper()}{name[1:]} is {kind.lower()} and has {max(map(len, places))} {_TIMES[kind]} at one "
            "place; export the one that you mean, or their mean, as a series of its own."
        )
    raise MedSynthError(
        f"{int(repeated.sum())} of the {len(heights)} slices of {name} lie where another one "
        "lies already (several time points, echoes or copies); keep one slice for each place."
    )


def _step(positions: np.ndarray, normal: np.ndarray, thickness: float | None, name: str) -> np.ndarray:
    """Return the vector from one slice to the next."""
    if len(positions) == 1:
        if not thickness:
            raise MedSynthError(f"{name} has one slice of unstated thickness, so it is no volume.")
        return normal * abs(thickness)
    gaps = np.diff(positions @ normal)
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    regular = positions[0] + np.arange(len(positions))[:, None] * step
    if np.linalg.norm(positions - regular, axis=1).max() > _TOLERANCE * gaps.mean():
        raise _irregular(gaps, name)
    return np.asarray(step)


def _irregular(gaps: np.ndarray, name: str) -> MedSynthError:
    counts = np.rint(gaps / gaps.min()).astype(int)
    first = int(gaps.argmax())
    where = f"between slices {first + 1} and {first + 2}"
    if counts.max() > 1 and np.abs(gaps - counts * gaps.min()).max() <= _TOLERANCE * gaps.min():
        return MedSynthError(
            f"{int((counts - 1).sum())} slice(s) of {name} are missing, the first ones {where} "
            f"({gaps[first]:.2f} mm apart, others {gaps.min():.2f} mm); copy the series again, whole."
        )
    return MedSynthError(
        f"The slices of {name} are unevenly spaced ({gaps.min():.2f} to {gaps.max():.2f} mm, widest {where}); "
        "resample the series onto an even grid first."
    )
