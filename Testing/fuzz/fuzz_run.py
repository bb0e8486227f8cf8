"""Runs each input in a process of its own, with limits of time and memory."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from fuzz_checks import CHECKS, differences
from fuzz_inputs import KINDS, make

SECONDS, BYTES = 10.0, 1_500_000_000
PATIENCE = 6


@dataclass(frozen=True)
class Finding:
    """An input that MedSynth neither reads like others nor refuses in a sentence."""

    kind: str
    seed: int
    fault: str  # traceback, signal, timeout, memory, sentence, image
    detail: str

    def __str__(self) -> str:
        return f"{self.kind} {self.seed}: {self.fault}\n{self.detail}"


def preload(kinds: list[str]) -> None:
    """Import what the processes need, once: they are copies of this one."""
    import nibabel
    import pydicom
    import scipy.spatial.transform
    import SimpleITK

    from medsynth_core.io.dicom import series_reading

    assert nibabel and pydicom and scipy and SimpleITK and series_reading
    if set(kinds) - {"nifti", "nrrd", "metaimage", "dicom"}:
        import torch
        import yaml

        from medsynth_core.worker import server

        assert torch and yaml and server


def judge(kind: str, seed: int, keep: Path | None = None) -> tuple[str, Finding | None]:
    """Return what became of an input (``read`` or ``refused``), and the finding, if it is one."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "input")
        path = make(kind, seed, folder)
        if keep is not None:
            shutil.copytree(folder, keep / f"{kind}-{seed}", dirs_exist_ok=True, symlinks=True, ignore=_pipes)
        result, image = Path(place, "result.json"), Path(place, "image.npz")
        fault = limited(lambda: _try(kind, path, result, image))
        if fault:
            return fault[0], Finding(kind, seed, *fault)
        told = json.loads(result.read_text())
        if told["fault"]:
            return told["fault"], Finding(kind, seed, told["fault"], told["detail"])
        if image.exists():
            result.unlink()
            # A crash of another library is not counted as a fault of MedSynth.
            if not limited(lambda: _compare(kind, path, image, result)) and result.exists():
                found = json.loads(result.read_text())
                if found:
                    return "image", Finding(kind, seed, "image", "\n".join(found))
        return told["status"], None


def _pipes(folder: str, names: list[str]) -> list[str]:
    """Return the names of what a copy cannot hold."""
    return [name for name in names if Path(folder, name).is_fifo()]


def limited(job: Callable[[], None], seconds: float = SECONDS, most: int = BYTES) -> tuple[str, str] | None:
    """Run a job in a copy of this process; return fault and detail if it crashes, or takes too long or too much.

    Its seconds are those of the processor, so that other programs do not make it late; it may wait `PATIENCE` times as
    long.
    """
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _become(job)
    started, process = time.monotonic(), psutil.Process(child)
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            break
        late = _computed(process) > seconds or time.monotonic() - started > PATIENCE * seconds
        large = _resident(process) > most
        if late or large:
            os.kill(child, signal.SIGKILL)
            os.wait4(child, 0)
            return ("timeout", f"more than {seconds:g} s") if late else ("memory", f"more than {most / 1e9:g} GB")
        time.sleep(0.002)
    if os.WIFSIGNALED(status):
        return "signal", signal.Signals(os.WTERMSIG(status)).name
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return ("memory", f"{peak / 1e9:.2f} GB") if peak > most else None


def _computed(process: psutil.Process) -> float:
    try:
        used = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(used.user + used.system)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _become(job: Callable[[], None]) -> None:
    """Run the job in this process, silently, and end it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    try:
        job()
    finally:
        os._exit(0)


def _try(kind: str, path: Path, result: Path, image: Path) -> None:
    told: dict[str, Any] = {"status": "read", "fault": "", "detail": ""}
    from medsynth_core.errors import MedSynthError

    try:
        found = CHECKS[kind](path)
        if found is not None:
            np.savez(image, *found)
    except MedSynthError as error:
        told["status"] = "refused"
        if "\n" in error.message.strip() or not error.message.endswith((".", "?", "!", ")")):
            told |= {"fault": "sentence", "detail": error.message}
    except BaseException:
        told |= {"fault": "traceback", "detail": traceback.format_exc()}
    result.write_text(json.dumps(told))


def _compare(kind: str, path: Path, image: Path, result: Path) -> None:
    with np.load(image) as kept:
        found = list(differences(kind, path, (kept["arr_0"], kept["arr_1"])))
    result.write_text(json.dumps(found))


def run(kinds: list[str], seed: int, count: int, seconds: float, keep: Path | None = None) -> dict[str, Any]:
    """Try inputs of each kind in turn, until there were ``count`` of each or ``seconds`` are over.

    Returns:
        ``{"inputs": {kind: {what became of them: number}}, "findings": [finding, …]}``.
    """
    preload(kinds)
    end, inputs, findings = time.monotonic() + seconds, {kind: {} for kind in kinds}, []
    for number in range(count):
        for kind in kinds:
            if time.monotonic() > end:
                return {"inputs": inputs, "findings": findings}
            status, finding = judge(kind, seed + number)
            inputs[kind][status] = inputs[kind].get(status, 0) + 1
            if finding:
                findings.append(asdict(finding))
                if keep is not None:
                    judge(kind, seed + number, keep)
    return {"inputs": inputs, "findings": findings}


__all__ = ["KINDS", "Finding", "judge", "limited", "run"]
