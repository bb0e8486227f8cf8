"""A training seen from Slicer: a folder, a process that may outlive Slicer, and the events that it writes."""

import enum
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from MedSynthLib import coreFolder
from MedSynthLib.folders import freePlace, safeName
from MedSynthLib.process import killProcessTree, ownProcessGroup, pythonExecutable, workerEnvironment
from slicer.i18n import tr as _

from medsynth_core.datasets.manifest import Case, write_manifest
from medsynth_core.errors import MedSynthError
from medsynth_core.training.background import read_request
from medsynth_core.training.event_log import EVENTS, append_event
from medsynth_core.training.run_watch import (
    CONSOLE,
    REQUEST,
    REQUESTED_CASES,
    REQUESTED_RECIPE,
    STOP,
    TEST_FIGURE,
    TEST_SCORES,
    RunWatch,
)

COMMAND = ["-m", "medsynth_core.training.background"]
# On a slow disk it takes minutes to import torch, after which the process locks the run.
START_PATIENCE_S = 180.0
LONGEST_LAST_WORDS = 300


class RunState(enum.Enum):
    """What a training is doing."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"
    DEAD = "dead"


ENDINGS = {"done": RunState.FINISHED, "cancelled": RunState.STOPPED, "error": RunState.FAILED}
# What an event must have to be of use, by its kind.
NEEDED = {
    "started": {"name", "epochs", "time"}, "progress": {"progress", "epoch", "seconds_left"},
    "metric": {"split", "name", "step", "value"}, "preview": {"file", "case", "epoch"}, "device": {"name"},
    "log": {"message"}, "error": {"message", "time"}, "done": {"time"}, "cancelled": {"time"},
}  # fmt: skip
ALIVE = (RunState.STARTING, RunState.RUNNING, RunState.STOPPING)


class TrainingRun:
    """Follows the training in a folder, whichever program started it.

    Until the first `poll` only the first and the latest events are read, which are enough to know the state: a folder
    may hold hours of events.

    Attributes:
        state: state as of the last `poll`.
        name: name of the model.
        epoch: the current one, from 1; 0 before the first.
        epochs: planned; 0 while not known.
        progress: 0…1.
        secondsLeft: until the end; None while not known.
        startedAt: time of the last start, in seconds since 1970; None before.
        metrics: (split, name) → epoch → value; the split ``coarse`` is validation while the coarse stage trains alone.
        preview: the last preview event, None before; its ``file`` is relative to the folder.
        memory: the last device event, None before.
        problem: a sentence about what went wrong; "" if nothing did.

    Args:
        folder: run folder.
        onLog: called as ``onLog(message)``.
    """

    def __init__(self, folder: Path, onLog: Callable[[str], None] = lambda message: None) -> None:
        self.folder, self.onLog = Path(folder), onLog
        self._watch = RunWatch(self.folder)
        self._process: subprocess.Popen | None = None
        self._reset()
        self._ours = False
        self._stopAsked = False
        self.state = RunState.STOPPED
        alive = self._isAlive()
        self._takeAll(self._watch.glance(), alive)

    @classmethod
    def start(
        cls,
        folder: Path,
        recipeText: str,
        cases: list[Case],
        device: str = "auto",
        onLog: Callable[[str], None] = lambda message: None,
    ) -> "TrainingRun":
        """Start a training in a new folder and return it.

        :param folder: must not exist yet, or be empty.
        :param recipeText: the recipe as YAML.
        :param cases: cases with splits; they are copied, so later changes of the data set do not affect the training.
        :param device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        :param onLog: called as ``onLog(message)``.
        :raises MedSynthError: the folder is in use or cannot be written to, or no process can be started.
        """
        from medsynth_core.io.atomic import atomic_write, make_folder

        if folder.exists() and any(folder.iterdir()):
            raise MedSynthError(
                _("The folder {folder} is not empty; give the training another name.").format(folder=folder)
            )
        make_folder(folder)
        with atomic_write(folder / REQUESTED_RECIPE) as temporary:
            temporary.write_text(recipeText, encoding="utf-8")
        write_manifest(cases, folder / REQUESTED_CASES)
        run = cls(folder, onLog)
        run._launch(folder / REQUESTED_RECIPE, folder / REQUESTED_CASES, resume=False, device=device)
        return run

    @property
    def alive(self) -> bool:
        """Whether a process is running it, starting it or stopping it."""
        return self.state in ALIVE

    @property
    def canResume(self) -> bool:
        """Whether it ended early and can be continued."""
        return self.state in (RunState.STOPPED, RunState.FAILED, RunState.DEAD) and (
            self._watch.can_resume() or self._asked() is not None
        )

    @property
    def canPublish(self) -> bool:
        """Whether there are weights of a validated epoch, and no process still changes them."""
        return not self.alive and self._watch.has_best()

    @property
    def recipeFile(self) -> Path:
        """The recipe that the training follows."""
        return self._watch.recipe_file if os.path.isfile(self._watch.recipe_file) else self.folder / REQUESTED_RECIPE

    @property
    def previewFile(self) -> Path | None:
        """The picture with input, synthetic and reference image of the last validation; None before the first."""
        return self.folder / self.preview["file"] if self.preview else None

    @property
    def package(self) -> Path | None:
        """The folder of the model package; None before there is one."""
        folder = self.folder / self.name
        return folder if os.path.isfile(folder / "configs" / "metadata.json") else None

    @property
    def testScores(self) -> Path | None:
        """The table of the test cases in the package; None before there is one."""
        table = self.package / TEST_SCORES if self.package else None
        return table if table is not None and os.path.isfile(table) else None

    @property
    def testFigure(self) -> Path | None:
        """The figure of a test case that was made when the run was last published; None before that."""
        file = self.folder / TEST_FIGURE
        return file if self.testScores is not None and os.path.isfile(file) else None

    def resume(self, device: str = "auto") -> None:
        """Continue from the last checkpoint, or from the start if there is none yet.

        :raises MedSynthError: it is running or finished, or no process can be started.
        """
        self.poll()
        asked = self._asked()
        if self.alive or not self.canResume:
            raise MedSynthError(_("The training {name} cannot be resumed: it is {state}.").format(
                name=self.folder.name, state=self.state.value
            ))  # fmt: skip
        if self._watch.can_resume():
            self._launch(self._watch.recipe_file, self._watch.cases_file, resume=True, device=device)
        else:
            self._launch(Path(asked["recipe"]), Path(asked["data"]), resume=False, device=device)

    def stop(self) -> None:
        """Ask the training to stop with a checkpoint. It does so even if Slicer is closed in the meantime.

        :raises MedSynthError: the folder cannot be written to.
        """
        if self.state is RunState.STARTING and self._process is not None:
            # Nothing can be lost yet, and the process would not look for a stop request before it begins.
            killProcessTree(self._process.pid)
            self._process.wait()
            append_event(self.folder, "cancelled")
            self.poll()
        elif self.alive:
            self._watch.request_stop()
            self._stopAsked = True
            self.state = RunState.STOPPING

    def poll(self) -> list[dict[str, Any]]:
        """Read the events since the last call, update the attributes, and return the events."""
        # In this order, so that the last events of a process that ends in between are read.
        alive = self._isAlive()
        events = self._watch.events()
        if self._watch.restarted:
            self._reset()
        self._takeAll(events, alive)
        return events

    def lastWords(self) -> str:
        """Return the last line of the process's console output; "" if there is none."""
        if not os.path.isfile(self.folder / CONSOLE):  # a pipe would never end
            return ""
        try:
            content = (self.folder / CONSOLE).read_bytes()[-10_000:].decode("utf-8", errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in content.splitlines() if line.strip()]
        return lines[-1][:LONGEST_LAST_WORDS] if lines else ""

    def _launch(self, recipe: Path, data: Path, resume: bool, device: str) -> None:
        from medsynth_core.io.atomic import atomic_write

        request = {
            "recipe": str(recipe), "data": str(data), "output": str(self.folder), "resume": resume, "device": device,
        }  # fmt: skip
        with atomic_write(self.folder / REQUEST) as temporary:
            temporary.write_text(json.dumps(request, indent=2) + "\n", encoding="utf-8")
        (self.folder / STOP).unlink(missing_ok=True)
        try:
            with (self.folder / CONSOLE).open("ab") as console:
                self._process = subprocess.Popen(
                    [pythonExecutable(), *COMMAND, str(self.folder / REQUEST)],
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=subprocess.STDOUT,
                    cwd=coreFolder(),
                    env=workerEnvironment(coreFolder()),
                    **ownProcessGroup(),  # so that it is not killed with Slicer
                )
        except OSError as problem:
            raise MedSynthError(
                _("The training process could not be started: {reason}.").format(reason=problem), kind="device"
            ) from problem
        self._ending, self._stopAsked, self.problem, self._ours = None, False, "", True
        self.startedAt, self.secondsLeft, self.state = None, None, RunState.STARTING

    def _isAlive(self) -> bool:
        if self._process is not None:
            if self._process.poll() is None:
                return True
            self._process = None
        return self._watch.running() or self._startedByAnother()

    def _startedByAnother(self) -> bool:
        """Return whether another Slicer has started a process that may not have locked the run yet."""
        asked = self._askedAt()
        quiet = self._watch.seconds_since_event()
        age = time.time() - asked
        return not self._ours and age < START_PATIENCE_S and (quiet is None or quiet > age)

    def _askedAt(self) -> float:
        """Return when a process was last started, in seconds since 1970; 0 if never."""
        try:
            return (self.folder / REQUEST).stat().st_mtime
        except OSError:
            return 0.0

    def _asked(self) -> dict[str, Any] | None:
        """Return the last request; None if there is none that can be used."""
        try:
            return read_request(self.folder / REQUEST)
        except MedSynthError:
            return None

    def _reset(self) -> None:
        """Reset everything that comes from events."""
        self.name, self.epoch, self.epochs, self.progress = self.folder.name, 0, 0, 0.0
        self.secondsLeft: float | None = None
        self.startedAt: float | None = None
        self.metrics: dict[tuple[str, str], dict[int, float]] = {}
        self.preview: dict[str, Any] | None = None
        self.memory: dict[str, Any] | None = None
        self.problem = ""
        self._ending: RunState | None = None
        self._endedAt = 0.0

    def _takeAll(self, events: list[dict[str, Any]], alive: bool) -> None:
        """Update the attributes by events, and the state by whether the training has a process."""
        for event in events:
            self._take(event)
        if not alive:
            self._stopAsked = False
            self._takeEnd()
        elif self._ending is not None and self._askedAt() < self._endedAt:
            # The process is about to end, or another one is publishing the run.
            self.state = self._ending
        else:
            started = self.startedAt is not None and self._ending is None
            self.state = RunState.STOPPING if self._stopAsked else RunState.RUNNING if started else RunState.STARTING

    def _take(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if not event.keys() >= NEEDED.get(kind, set()):
            return  # another program's
        if kind == "started":
            self.name, self.epochs, self.startedAt = event["name"], event["epochs"], event["time"]
            self._ending, self.problem = None, ""
            if self._stopAsked:  # a training that begins deletes earlier stop requests
                self._watch.request_stop()
        elif kind == "progress":
            self.progress, self.epoch = event["progress"], event["epoch"]
            self.secondsLeft = event["seconds_left"]
        elif kind == "metric":
            self.metrics.setdefault((event["split"], event["name"]), {})[event["step"]] = event["value"]
        elif kind == "preview":
            self.preview = event
        elif kind == "device":
            self.memory = event
        elif kind == "log":
            self.onLog(event["message"])
        elif kind in ENDINGS:
            self._end(ENDINGS[kind], event["time"])
            if kind == "done":
                self.progress = 1.0
            if kind == "error":
                self.problem = " ".join(part for part in (event["message"], event.get("hint") or "") if part)

    def _end(self, ending: RunState, when: float) -> None:
        self._ending, self._endedAt, self.secondsLeft = ending, when, None

    def _takeEnd(self) -> None:
        if self._ending is None and (self.startedAt is not None or self._asked() is not None):
            self._end(RunState.DEAD, time.time())
            words = self.lastWords()
            self.problem = _("The training ended unexpectedly, as if its process had been killed ({reason}).").format(
                reason=_("last console output: {words}").format(words=words) if words else _("no console output")
            )
        self.state = self._ending or RunState.STOPPED


def findRuns(folder: Path, most: int = 10) -> list[Path]:
    """Return the folders of the newest runs in a folder, newest first.

    Args:
        folder: need not exist.
        most: number of runs at most.
    """
    try:
        inside = {path: path.stat().st_mtime for path in folder.iterdir() if _isRun(path)}
    except OSError:
        return []
    return sorted(inside, key=lambda path: inside[path], reverse=True)[:most]


def newFolder(folder: Path, name: str) -> Path:
    """Return a folder for a new run that does not exist yet: the name with date and time."""
    return freePlace(folder, f"{safeName(name, 'run')}-{time.strftime('%Y%m%d-%H%M%S')}")


def _isRun(path: Path) -> bool:
    # `os.path` passes over what may not be entered; `Path` raises an error, and hides the other runs.
    return any(os.path.isfile(path / name) for name in (REQUEST, EVENTS))
