"""The position of the voxels of a NIfTI file, which its header states up to three times."""

from __future__ import annotations

from typing import Any

import numpy as np

FARTHEST = 1e18  # mm
HIGHEST_CODE = 5
# By how much, in voxels, two statements may move a corner of the image, or a neighbouring voxel.
MOVED, TURNED = 0.01, 1e-3
# What may be missing to 1 in a quaternion near half a turn, whose fourth number is lost in rounding.
LOST = 1e-6
SHEARED = 1e-4


def matrix_of(fields: Any, shape: tuple[int, int, int]) -> np.ndarray:
    """Return the 4×4 matrix from voxels (i, j, k) to RAS: the sform, or else the qform.

    Raises:
        ValueError: the header states none or no valid one, or contradicts itself; the message says it of the file.
    """
    codes = int(fields["qform_code"]), int(fields["sform_code"])
    if not 0 <= min(codes) <= max(codes) <= HIGHEST_CODE or not any(codes):
        raise ValueError(f"does not state the position of its voxels (its qform and sform codes are {codes})")
    with np.errstate(all="ignore"):
        stated = ([_sform(fields)] if codes[1] else []) + ([_qform(fields)] if codes[0] else [])
        for matrix in stated:
            _check(matrix)
        _check_spacing(fields, stated[0], shape)
        if not _same(stated[0], stated[-1], fields, shape):
            raise ValueError("contradicts itself about the position of its voxels (qform and sform)")
    return stated[0]


def _check(matrix: np.ndarray) -> None:
    if not np.abs(matrix).max() <= FARTHEST:
        raise ValueError("states a position of its voxels that is not finite")
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    axes = matrix[:3, :3] / spacing
    if not spacing.min() > 0 or not np.abs(axes.T @ axes - np.eye(3)).max() <= SHEARED:
        raise ValueError("has axes that are not perpendicular")


def _check_spacing(fields: Any, matrix: np.ndarray, shape: tuple[int, int, int]) -> None:
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    moved = np.abs(fields["pixdim"][1:4].astype(np.float64) - spacing) * shape[::-1]
    if not moved.max() <= MOVED * spacing.min():
        raise ValueError("contradicts itself about the size of its voxels (pixdim and its matrix)")


def _same(one: np.ndarray, other: np.ndarray, fields: Any, shape: tuple[int, int, int]) -> bool:
    spacing = np.linalg.norm(one[:3, :3], axis=0)
    corners = np.array([(*np.multiply(shape[::-1], where), 1) for where in np.ndindex(2, 2, 2)])
    moved = np.linalg.norm((corners @ (one - other).T)[:, :3], axis=1).max()
    if moved <= MOVED * spacing.min():
        return True
    steps = np.linalg.norm((one - other)[:3], axis=0) / np.append(spacing, spacing.min())
    return bool(_rest(fields) < LOST and steps.max() <= TURNED)


def _rest(fields: Any) -> float:
    quaternion = fields["quatern"].astype(np.float64)
    return float(1 - quaternion @ quaternion)


def _sform(fields: Any) -> np.ndarray:
    return np.vstack([fields["srow"].astype(np.float64), [0, 0, 0, 1]])


def _qform(fields: Any) -> np.ndarray:
    handedness = float(fields["pixdim"][0])
    if not (handedness >= 0 or handedness == -1):
        raise ValueError(f"has no valid handedness (pixdim[0] is {handedness:g})")
    matrix = np.eye(4)
    matrix[:3, :3] = _rotation(fields) * fields["pixdim"][1:4].astype(np.float64)
    matrix[:3, 2] *= -1.0 if handedness < 0 else 1.0
    matrix[:3, 3] = fields["qoffset"]
    return matrix


def _rotation(fields: Any) -> np.ndarray:
    """Return the 3×3 rotation of the quaternion, of which b, c and d are stored."""
    rest, (b, c, d) = _rest(fields), fields["quatern"].astype(np.float64)
    if not rest >= -4e-7:
        raise ValueError("has a quaternion that is no rotation")
    a = np.sqrt(rest) if rest >= 1e-7 else 0.0
    a, b, c, d = np.array([a, b, c, d]) / np.linalg.norm([a, b, c, d])
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
