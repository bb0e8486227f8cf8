"""What identifies the images of a run, so that a training does not continue with others under the same names."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

from medsynth_core.datasets.manifest import Case
from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.table import read_rows, write_rows

FILES = "files.csv"


@dataclass(frozen=True)
class _Image:
    """An image of a training: its place, size in bytes, time of the last change in ns, and digest."""

    file: str
    bytes: int
    time_ns: int
    sha256: str


# By case and role.
_Record = dict[tuple[str, str], _Image]


def record_files(run: Path, cases: list[Case]) -> None:
    """Write what identifies the training and validation images of a training into its run folder."""
    rows = []
    for (case, role), file in _files(cases).items():
        facts = file.stat()
        image = _Image(str(file.resolve()), facts.st_size, facts.st_mtime_ns, _digest(file))
        rows.append({"case": case, "role": role, **asdict(image)})
    write_rows(rows, run / FILES)


def check_files(run: Path, cases: list[Case]) -> None:
    """Check that images are those that a training began with; they may have been moved or copied.

    Images of the test split, which are not trained with, are not checked, nor are runs of earlier versions, which have
    no record.

    Raises:
        MedSynthError: a file has other content, or a case has more or fewer images; or the record is damaged.
    """
    if not (run / FILES).exists():
        return
    began, now = _read(run / FILES), _files(cases)
    for place in [*now, *began]:
        if place not in now or place not in began or not _is_same(began[place], now[place]):
            file, (case, role) = now.get(place) or began[place].file, place
            raise MedSynthError(
                f"The image {file} ('{role}' of case '{case}') is not the one that the training in {run} began with; "
                "put that one back, or start a new training in a new folder."
            )


def _is_same(began: _Image, file: Path) -> bool:
    facts = file.stat()
    if began.bytes != facts.st_size:
        return False
    untouched = began.file == str(file.resolve()) and began.time_ns == facts.st_mtime_ns
    return untouched or began.sha256 == _digest(file)


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while part := content.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def _files(cases: list[Case]) -> dict[tuple[str, str], Path]:
    """Return the images that are trained with, by case and role; one that is missing is reported where it is needed."""
    return {
        (case.name, role): file
        for case in cases
        if case.split != "test"
        for role, file in case.files.items()
        if file.is_file()
    }


def _read(path: Path) -> _Record:
    try:
        return {
            (str(row["case"]), str(row["role"])): _Image(
                str(row["file"]), int(row["bytes"] or ""), int(row["time_ns"] or ""), str(row["sha256"])
            )
            for row in read_rows(path)
        }
    except OSError as error:
        raise MedSynthError(f"The file {path} cannot be read: {reason_of(error)}.") from error
    except (ValueError, KeyError) as error:
        raise MedSynthError(
            f"The record {path} of the training's images is damaged; start a new training in a new folder."
        ) from error
