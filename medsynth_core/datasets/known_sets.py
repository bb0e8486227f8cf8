"""Cases of a public data set, or of a folder with a table of cases, which are recognised without patterns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from medsynth_core.datasets.boxes import Box, write_boxes
from medsynth_core.datasets.layouts.data_sets.data_set import DataSetReader
from medsynth_core.datasets.layouts.data_sets.finding import Found, archives, recognise
from medsynth_core.datasets.layouts.data_sets.grouping import Draft, drafts_of, joined_patients, with_one_split
from medsynth_core.datasets.layouts.data_sets.registry import DATA_SETS
from medsynth_core.datasets.layouts.data_sets.tianchi import boxes_by_case
from medsynth_core.datasets.layouts.image_files import files_below
from medsynth_core.datasets.layouts.layout import summary
from medsynth_core.datasets.manifest import Case, read_manifest, roles_in
from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import make_folder
from medsynth_core.progress import Progress, ProgressCallback

TABLE = "cases.csv"
BOXES = "boxes"
_ACCEPT = "accept cases that lack some (--unpaired)"
Boxes = dict[str, list[Box]]


def cases_of_known_set(
    root: str | Path,
    output: str | Path,
    *,
    paired: bool = True,
    progress: Progress | ProgressCallback | None = None,
) -> list[Case]:
    """Return the cases of the public data set in a folder, with the splits and classes that it states.

    Which ones are known is said in ``docs/training.md``. The folder may be above that of the data set, or one of its
    parts. Copies are left out. The data set's own ``test`` and ``val`` are kept; without a ``val`` the training cases
    have no split, so that it can be drawn from them (`splitting.split_manifest` with ``keep``). A patient in several
    splits gets the one that is held out. If no data set is recognised, but the folder has a table ``cases.csv``, the
    cases are those of this manifest, with the columns that list files.

    Args:
        root: the folder that contains the data set.
        output: folder for the boxes of cases that have some, in ``CASE/boxes.csv`` (`boxes.write_boxes`).
        paired: whether each case must have all images and labels of the data set. Cases of a split that was published
            without labels are left out then. Otherwise one file is enough.
        progress: its log gets the data set, what is taken for the patient, and what is doubtful or left out.

    Raises:
        MedSynthError: a folder or table cannot be read; no data set, or several, are recognised; a case lacks a file
            or has two different ones; or there is no case.
    """
    root, progress = Path(root), progress if isinstance(progress, Progress) else Progress(progress)
    files = files_below(root)
    found = recognise(root, files)
    if found is None:
        return _cases_in_table(root, files, paired, progress)
    boxes = _boxes(root, found.reader, files)
    drafts, said = drafts_of(root, found, files)
    kept, left_out = _complete(root, found.reader, drafts, boxes, paired)
    kept, moved = with_one_split(joined_patients(root, kept, found.reader))
    cases = [_case(root, Path(output), draft, boxes.get(draft.said.case, [])) for draft in kept]
    _report(progress, found, cases, [*said, *left_out, *moved])
    return cases


def _boxes(root: Path, reader: DataSetReader, files: Collection[PurePath]) -> Boxes:
    """Return the boxes of the data set's cases, whose table may be beside the folder that was chosen."""
    name = reader.annotations.lower()
    tables = [root / path for path in files if name and path.name.lower() == name]
    beside = Path(root).absolute().parent / reader.annotations
    if name and not tables and beside.is_file():
        tables = [beside]
    return boxes_by_case(tables[0]) if tables else {}


def _complete(
    root: Path, reader: DataSetReader, drafts: list[Draft], boxes: Boxes, paired: bool
) -> tuple[list[Draft], list[str]]:
    """Return the cases that are kept, and sentences on those that are left out."""
    if not paired:
        return [draft for draft in drafts if draft.files], []
    lacking = {draft.said.case: _lacking(draft, reader, boxes) for draft in drafts}
    unlabelled = _unlabelled(drafts, reader, lacking)
    kept = [draft for draft in drafts if draft.said.split not in unlabelled]
    incomplete = [f"{draft.said.case} lacks {', '.join(few)}" for draft in kept if (few := lacking[draft.said.case])]
    if not kept:
        missing = " and ".join(sorted({role for role in reader.labels if any(role in few for few in lacking.values())}))
        raise MedSynthError(f"No case of {reader.name} in {root} has {missing}; choose the folder above, or {_ACCEPT}.")
    if incomplete:
        shown = "; ".join(incomplete[:3]) + ("; …" if len(incomplete) > 3 else "")
        raise MedSynthError(
            f"{len(incomplete)} of {len(kept)} cases of {reader.name} in {root} lack files ({shown}); download what "
            f"is missing, or {_ACCEPT}."
        )
    return kept, [_left_out(split, drafts, reader) for split in sorted(unlabelled)]


def _lacking(draft: Draft, reader: DataSetReader, boxes: Boxes) -> list[str]:
    there = {*draft.files, *([BOXES] if boxes.get(draft.said.case) else [])}
    return [role for role in (*reader.images, *reader.labels) if role not in there]


def _unlabelled(drafts: list[Draft], reader: DataSetReader, lacking: dict[str, list[str]]) -> set[str]:
    """Return the splits in which no case has one of the labels."""
    splits = {draft.said.split for draft in drafts}
    return {
        split
        for split in splits
        for role in reader.labels
        if all(role in lacking[draft.said.case] for draft in drafts if draft.said.split == split)
    }


def _left_out(split: str, drafts: list[Draft], reader: DataSetReader) -> str:
    count = sum(draft.said.split == split for draft in drafts)
    return (
        f"{count} case{'s' * (count != 1)} of '{split}' {'was' if count == 1 else 'were'} left out, because all lack "
        f"{' or '.join(reader.labels)}; to list them, {_ACCEPT}."
    )


def _case(root: Path, output: Path, draft: Draft, boxes: Sequence[Box]) -> Case:
    said, files = draft.said, {role: root / path for role, path in draft.files.items()}
    if boxes:
        make_folder(output / said.case)
        files[BOXES] = write_boxes(boxes, output / said.case / f"{BOXES}.csv")
    return Case(said.case, said.split, files, said.patient, said.category)


def _report(progress: Progress, found: Found, cases: list[Case], said: list[str]) -> None:
    reader, others = found.reader, found.others
    progress.log(summary(len(cases), (case.patient for case in cases), reader.name, reader.patient))
    if any(case.split for case in cases):
        progress.log(f"Splits of the data set: {_counted(case.split or 'not assigned yet' for case in cases)}.")
    if any(case.label for case in cases):
        progress.log(f"Classes: {_counted(case.label or 'not known' for case in cases)}.")
    passed_over = (
        [f"Image files that belong to no case: {len(others)}, such as {others[0].as_posix()}."] if others else []
    )
    for sentence in (*said, reader.doubt, *passed_over):
        if sentence:
            progress.log(sentence)


def _counted(words: Iterable[str]) -> str:
    return ", ".join(f"{word} ({count})" for word, count in sorted(Counter(words).items()))


def _cases_in_table(root: Path, files: Sequence[PurePath], paired: bool, progress: Progress) -> list[Case]:
    """Return the cases of the only table ``cases.csv`` in a folder tree."""
    tables = [path for path in files if path.name.lower() == TABLE]
    if not tables:
        raise _unknown(root, files)
    if len(tables) > 1:
        shown = " and ".join(path.as_posix() for path in tables[:2])
        raise MedSynthError(f"{root} has several tables of cases, such as {shown}; choose the folder of one of them.")
    table = root / tables[0]
    roles = roles_in(table)
    if not roles:
        raise MedSynthError(f"The table {table} has no column with image files; add one.")
    cases = read_manifest(table, roles if paired else (), optional=() if paired else roles, unsplit=True)
    progress.log(summary(len(cases), (case.patient for case in cases), f"table {TABLE}", "its column patient, or case"))
    return [replace(case, files={role: case.files[role] for role in roles if role in case.files}) for case in cases]


def _unknown(root: Path, files: Sequence[PurePath]) -> MedSynthError:
    names = ", ".join(reader.name for reader in DATA_SETS)
    packed = archives(files)
    advice = f"unpack {packed[0].as_posix()} first" if packed else "choose another folder"
    return MedSynthError(
        f"{root} has none of the data sets that are recognised without patterns ({names}; a table {TABLE}); {advice}, "
        "or give a pattern of the file name for each kind of image."
    )
