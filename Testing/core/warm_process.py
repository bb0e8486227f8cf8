"""Processes that run a module as ``python -m`` does, forked from one that has imported PyTorch and MONAI.

New ones would import them for seconds each, most of the time of tests with many short trainings. How a process starts
and what a signal does meanwhile is tested with new ones.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path

_CONTEXT = get_context("forkserver")
# Beside MedSynth what a training imports on its way.
_CONTEXT.set_forkserver_preload(
    ["medsynth_core.training.loop", "medsynth_core.cli.app", "accelerate", "monai.losses", "torch._dynamo", "SimpleITK"]
)


class WarmProcess:
    """A process that runs a module, with the parts of `subprocess.Popen` that the tests use.

    Args:
        module: its name.
        arguments: of its command line.
        environment: its variables. Those that numerical libraries read when they are imported are the test's own.
        output: file for what it prints.
    """

    def __init__(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], output: Path | None = None
    ) -> None:
        given = (module, [*arguments], dict(environment), str(output or os.devnull))
        self._process = _CONTEXT.Process(target=_run, args=given)
        self._process.start()

    def poll(self) -> int | None:
        """Return its exit status, or None if it runs; the number of a signal that ended it is negative."""
        return self._process.exitcode

    def wait(self) -> int:
        """Return its exit status when it has ended."""
        self._process.join()
        return int(self._process.exitcode)

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self._process.pid, number)


def _run(module: str, arguments: list[str], environment: dict[str, str], output: str) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    printed = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor in (1, 2):
        os.dup2(printed, descriptor)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
