"""Helpers for tests of reading and writing."""

from __future__ import annotations

import os
import resource
import signal
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from medsynth_core.volume import Volume


def oblique_matrix(seed: int, left_handed: bool = False) -> np.ndarray:
    """Return an ijk_to_ras with arbitrary directions, spacings and origin."""
    rng = np.random.default_rng(seed)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.random(random_state=seed).as_matrix() * rng.uniform(0.4, 5, 3)
    matrix[:3, 3] = rng.normal(size=3) * 200
    if left_handed:
        matrix[:3, 2] *= -1
    return matrix


def noise_volume(shape: tuple[int, int, int] = (4, 5, 6), dtype: str = "int16", seed: int = 0, **kwargs) -> Volume:
    """Return a volume whose voxels all differ enough to show any reordering."""
    voxels = np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
    return Volume(voxels, kwargs.pop("ijk_to_ras", np.diag([0.7, 0.8, 3.3, 1.0])), **kwargs)


def unzip(archive: Path, folder: Path) -> Path:
    """Extract an archive of the shared data."""
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return folder


@contextmanager
def full_disk(limit: int = 20_000) -> Iterator[None]:
    """Let every write beyond ``limit`` bytes of a file fail, as a full disk does."""
    kept_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, kept_limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept_limit)
        signal.signal(signal.SIGXFSZ, kept_handler)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Act as a user who may not read or write everything, also where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def let_everybody_in(folder: Path) -> None:
    """Let users without privileges reach a temporary folder of a test, however deep it lies."""
    for parent in folder.parents:
        if parent.name.startswith(("pytest-", "popen-")):
            parent.chmod(0o755)
