"""What a test must leave as it was: descriptors, timers, connected callables, observers and processes."""

from __future__ import annotations

import gc
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import slicer

from application import eventloop, held

_DESCRIPTORS = Path("/proc/self/fd")
# A process that has computed takes seconds to end on a busy computer.
PATIENCE_S = 90.0


def count() -> dict[str, int]:
    """Return how many of each there are now."""
    return {
        "descriptors": len(descriptors()),
        "timers": held.timers(),
        "callables": held.connections(),
        "observers": observers(),
        "processes": len(processes()),
    }


def descriptors() -> list[str]:
    """Return what is open (Linux), without that by which Qt's own threads wake each other, and of the kept worker."""
    found, kept = [], _keptDescriptors()
    for link in _DESCRIPTORS.iterdir() if _DESCRIPTORS.is_dir() else ():
        if link.name in kept:
            continue
        with suppress(FileNotFoundError):  # that of the listing itself
            found.append(os.readlink(link))
    return sorted(name for name in found if name != "anon_inode:[eventfd]")


def observers() -> int:
    """Return how many observers the scene and its nodes have that were added by Python."""
    scene = slicer.mrmlScene
    nodes = [scene.GetNthNode(number) for number in range(scene.GetNumberOfNodes())]
    return sum(observersOf(one) for one in (scene, *nodes))


def observersOf(vtkObject) -> int:
    """Return how many observers of a VTK object were added by Python: it shows them to the garbage collector."""
    return sum(callable(one) and not isinstance(one, type) for one in gc.get_referents(vtkObject))


def processes() -> list[int]:
    """Return the IDs of the processes that this one, or one of those, has started and that still run.

    The worker that is kept for the next job is not counted.
    """
    kept = keptWorker()
    found: list[int] = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE and not (kept and process.pid == kept.pid):
                found.append(process.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def keptWorker():
    """Return the worker that waits for the next job, if there is one."""
    module = sys.modules.get("MedSynthLib.kept_worker")
    return module.keptWorker() if module is not None else None


def _keptDescriptors() -> set[str]:
    kept = keptWorker()
    pipes = (kept._process.stdin, kept._process.stdout, kept._process.stderr) if kept is not None else ()
    return {str(pipe.fileno()) for pipe in pipes if not pipe.closed}


def forgetLastError() -> None:
    """Let go of the last error that VTK printed from an observer: Python keeps it with all that its functions used."""
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)
    gc.collect()


def left(before: dict[str, int]) -> dict[str, int]:
    """Return what is more than before, after giving what is about to end the time for it."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        eventloop.idle()
        now = count()
        more = {kind: now[kind] - number for kind, number in before.items() if now[kind] > number}
        if not more or time.monotonic() > deadline:
            return more
        gc.collect()
