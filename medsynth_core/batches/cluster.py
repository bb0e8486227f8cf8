"""A Dask cluster (``dask.distributed``): one that is started on this computer, or one that runs."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from medsynth_core.errors import MedSynthError
from medsynth_core.io.json_reading import read_json
from medsynth_core.version import __version__

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

_PATIENCE_S = 20


@contextmanager
def connected(processes: int = 0, scheduler: str = "") -> Iterator[Client]:
    """Yield the client of a Dask cluster: a new one on this computer, or that of a scheduler.

    Args:
        processes: processes of the new cluster; its cores are divided between them.
        scheduler: address (``tcp://node1:8786``) or scheduler file (``.json``) of a cluster that runs.

    Raises:
        MedSynthError: Dask is not installed, the processes do not start, the scheduler cannot be reached, or its
            workers have another version of MedSynth or none.
    """
    try:
        import distributed
    except ImportError as error:
        raise MedSynthError(
            "Several processes need the package distributed; install it with: pip install 'medsynth-core[scale]'.",
            kind="device",
        ) from error
    if not scheduler:
        with _local(distributed, processes) as cluster, distributed.Client(cluster, set_as_default=False) as client:
            yield client
        return
    where = {"scheduler_file": scheduler} if scheduler.endswith(".json") else {"address": scheduler}
    try:
        if "scheduler_file" in where:
            read_json(Path(scheduler))  # for which Dask would wait for ever
        client = distributed.Client(**where, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise MedSynthError(
            f"The scheduler {scheduler} cannot be reached; check that it runs, and its address.", kind="device"
        ) from error
    with client:
        _check_versions(client, scheduler)
        yield client


def _local(distributed: ModuleType, processes: int) -> LocalCluster:
    """Return a new cluster on this computer, whose processes begin with the script that this one runs."""
    threads = str(max(1, usable_cores() // processes))
    try:
        return distributed.LocalCluster(
            n_workers=processes, threads_per_worker=1, dashboard_address=None, silence_logs=logging.ERROR,
            # Dask would give the libraries one thread each.
            env=dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads),
        )  # fmt: skip
    except RuntimeError as error:
        raise MedSynthError(
            "The processes did not start; in a script of your own, call the batch only under "
            "'if __name__ == \"__main__\":', because each process runs the script's other lines.",
            kind="device",
        ) from error


def usable_cores() -> int:
    """Return the cores that this process may use, which a cluster or container limits."""
    if hasattr(os, "sched_getaffinity"):  # not on Windows and macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _version_of_worker() -> str:
    from medsynth_core.version import __version__ as version

    return version


def ask_all(client: Client, question: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """Return what a function gives on each worker by its address, or the exception that it raises there.

    Workers that end meanwhile give nothing: others take their place.
    """
    found: dict[str, Any] = {}
    with suppress(OSError):  # the connection to one of them
        found = client.run(question, *arguments, on_error="return")
    return {worker: answer for worker, answer in found.items() if not isinstance(answer, OSError)}


def _check_versions(client: Client, scheduler: str) -> None:
    try:
        with suppress(TimeoutError, asyncio.TimeoutError):
            client.wait_for_workers(1, timeout=_PATIENCE_S)
        found = ask_all(client, _version_of_worker)
        if not found and client.nthreads():  # those that were asked have ended
            found = ask_all(client, _version_of_worker)
    except Exception as error:
        raise MedSynthError(
            f"The workers of {scheduler} cannot run MedSynth: {type(error).__name__}; install the same versions of "
            "MedSynth and Dask on them.",
            kind="device",
        ) from error
    if not found and not client.nthreads():
        raise MedSynthError(f"The scheduler {scheduler} has no workers; start some.", kind="device")
    for worker, version in found.items():
        if version != __version__:
            there = f"MedSynth {version}" if isinstance(version, str) else "no MedSynth"
            raise MedSynthError(
                f"The worker {worker} has {there}, and this computer MedSynth {__version__}; install the same version.",
                kind="device",
            )
