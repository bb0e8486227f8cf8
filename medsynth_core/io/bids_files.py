"""What a BIDS data set says of an image outside of its own JSON: inherited JSON files, and tables of the subjects.

Source: Brain Imaging Data Structure, "The inheritance principle" and "Modality agnostic files"
(bids-specification.readthedocs.io).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medsynth_core.io.json_reading import read_text_bytes
from medsynth_core.io.sidecar import is_medsynth_json, json_object, split_suffix

_SUBJECT, _SESSION = re.compile(r"sub-[a-zA-Z0-9+]+"), re.compile(r"ses-[a-zA-Z0-9+]+")
# Names of columns and keys that state a weight, without signs, and the unit at their end.
_WEIGHT = re.compile(r"(?:body|patient|subject|participant)?(?:weight|mass)(?:in)?(kg|grams?|g|lbs?)?")
# As a value of its own, or as a word of one: desc-SUVbw, rec-osemSUV.
_SUV = re.compile(r"(?i:^suv(?:bw|lbm|ibw|bsa|r)?$)|(?:^|(?<=[a-z0-9]))SUV[a-z]{0,3}(?=$|[A-Z0-9])")
_OF_PERSON = ("sub-", "ses-")
_EMPTY = ("", "n/a")


def inherited_json(image: Path) -> dict[str, Any]:
    """Return what the JSON files of a data set state for an image: that of the image, and those that it inherits.

    A JSON applies to images with its suffix (``pet``) and all its entities (``ses-1``) in its folder and below. The
    nearest wins, and of several in one folder the one with the most entities. JSON files of MedSynth are left out.
    """
    content: dict[str, Any] = {}
    for path in _applicable(image):
        found = json_object(path)
        content |= {} if is_medsynth_json(found) else found
    return content


def says_suv(image: Path) -> bool:
    """Return whether an image's name says that its values are SUV, as ``sub-01_desc-SUVbw_pet.nii.gz`` does."""
    values = [part.rpartition("-")[2] for part in split_suffix(image)[0].split("_") if not part.startswith(_OF_PERSON)]
    return any(_SUV.search(value) for value in values)


def own_json(image: Path) -> dict[str, Any]:
    """Return what the JSON beside an image states; {} if there is none."""
    return json_object(_own(image))


def entities(image: Path) -> dict[str, str]:
    """Return the entities of an image's name: ``{"sub": "01", "rec": "nacstat"}``; {} if it has not a BIDS name."""
    parts = split_suffix(image)[0].split("_")[:-1]
    pairs = [part.partition("-") for part in parts]
    return {key: value for key, dash, value in pairs} if all(dash for _, dash, _ in pairs) else {}


def subject_of(image: Path) -> str:
    """Return the subject whose folder an image is in, such as ``sub-01``; "" if there is none."""
    folder = _folder(image, _SUBJECT)
    return folder.name if folder else ""


def stated_weight(content: dict[str, Any]) -> tuple[str, Any, str] | None:
    """Return the key, value and unit of a weight in a JSON or in a row of a table; None if it states none.

    The unit is that at the end of the key (``weight_kg``), or "".
    """
    for key, value in content.items():
        named = _WEIGHT.fullmatch(re.sub(r"[^a-z]", "", key.lower()))
        if named and value is not None and str(value).strip().lower() not in _EMPTY:
            return key, value, named[1] or ""
    return None


def table_rows(image: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the tables that have a row for an image, the nearest first, each with that row: sessions, participants."""
    subject = _folder(image, _SUBJECT)
    if subject is None:
        return
    session = _folder(image, _SESSION)
    label = session.name if session else f"ses-{entities(image).get('ses', '')}"
    for table, key, name in (
        (subject / f"{subject.name}_sessions.tsv", "session_id", label),
        (subject.parent / "participants.tsv", "participant_id", subject.name),
    ):
        row = next((row for row in _rows(table) if row.get(key) in (name, name[4:])), None)
        if row:
            yield table, row


def unit_of_column(table: Path, column: str) -> str:
    """Return the unit that the JSON beside a table states for a column; "" if it states none."""
    described = json_object(table.with_suffix(".json")).get(column)
    return str(described.get("Units") or "").strip() if isinstance(described, dict) else ""


def files_about(image: Path) -> list[Path]:
    """Return the files of a data set that may say something about an image, whether they are there or not."""
    subject = _folder(image, _SUBJECT)
    tables = [] if subject is None else [subject / f"{subject.name}_sessions.tsv", subject.parent / "participants.tsv"]
    return [*_applicable(image), *(file for table in tables for file in (table, table.with_suffix(".json")))]


def _applicable(image: Path) -> list[Path]:
    subject = _folder(image, _SUBJECT)
    if subject is None or not image.name.startswith("sub-"):
        return [_own(image)]
    levels = [folder for folder in image.absolute().parents if folder.is_relative_to(subject.parent)]
    found: list[Path] = []
    for folder in reversed(levels):
        several = [path for path in sorted(folder.glob("*.json")) if _applies(path, image)]
        found += sorted(several, key=lambda path: len(entities(path)))
    return found


def _own(image: Path) -> Path:
    return image.with_name(f"{split_suffix(image)[0]}.json")


def _applies(path: Path, image: Path) -> bool:
    """Return whether the name of a JSON has the suffix of an image, and no entity that the image lacks."""
    *parts, suffix = path.stem.split("_")
    known, of_image = entities(path), split_suffix(image)[0].split("_")[-1]
    return suffix == of_image and len(known) == len(parts) and known.items() <= entities(image).items()


def _folder(image: Path, pattern: re.Pattern[str]) -> Path | None:
    return next((folder for folder in image.absolute().parents if pattern.fullmatch(folder.name)), None)


def _rows(table: Path) -> list[dict[str, Any]]:
    try:
        text = read_text_bytes(table).decode("utf-8-sig")
    except (OSError, ValueError):
        return []
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))
