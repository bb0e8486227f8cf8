"""The output folder of an experiment, in which tables and figures with fixed names are replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.atomic import make_folder
from medsynth_core.io.json_file import write_json
from medsynth_core.io.json_reading import read_json
from medsynth_core.models.contents import is_litter
from medsynth_core.training.lock import NAME as LOCK
from medsynth_core.version import __version__

MARK = "experiment.json"
# By which folders of earlier versions, which have no mark, are known: their kept rows, and the command.
ROWS, ENVIRONMENT, COMMAND = "rows", "environment.json", "medsynth reproduce "


def begin_experiment(name: str, output: Path, trainings: set[str]) -> None:
    """Create and mark the output folder of an experiment, or accept that of an experiment, which is continued.

    Args:
        name: name of the experiment.
        output: the folder.
        trainings: names of trainings of experiments, by whose runs a folder is known too.

    Raises:
        MedSynthError: the folder contains something else, or cannot be written.
    """
    try:
        taken = output.is_dir() and any(not is_litter(path.name) for path in output.iterdir())
    except OSError as error:
        raise MedSynthError(f"The folder {output} cannot be read: {reason_of(error)}; choose another one.") from error
    if taken and not _of_an_experiment(output, trainings):
        raise MedSynthError(
            f"The folder {output} is not empty and is not that of an experiment, which would replace files in it; "
            "choose a new folder.",
            kind="output",
        )
    if not taken:
        make_folder(output)
        write_json(output / MARK, {"experiment": name, "medsynth-core": __version__})


def _of_an_experiment(output: Path, trainings: set[str]) -> bool:
    if "experiment" in _content(output / MARK) or any((output / ROWS).glob("*.json")):
        return True
    command = _content(output / ENVIRONMENT).get("command")
    if isinstance(command, str) and command.startswith(COMMAND):
        return True
    return any((output / run / LOCK).is_file() for run in trainings)


def _content(file: Path) -> dict[str, Any]:
    try:
        content = read_json(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
