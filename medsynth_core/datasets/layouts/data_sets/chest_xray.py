"""Chest X-rays of children with and without pneumonia, as on Kaggle and at Mendeley Data.

Kermany D, Zhang K, Goldbaum M (2018), "Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images for
Classification", Mendeley Data, doi:10.17632/rscbjbr9sj; Kermany DS et al. (2018), Cell 172(5):1122–1131. As downloaded
(www.kaggle.com/paultimothymooney/chest-xray-pneumonia)::

    chest_xray/train/NORMAL/IM-0115-0001.jpeg, NORMAL2-IM-1427-0001.jpeg
               train/PNEUMONIA/person1000_bacteria_2931.jpeg, person1000_virus_1681.jpeg
               val/…, with 16 images, and test/…

or, in another edition, ``NORMAL-1003233-0001.jpeg``, ``BACTERIA-1008087-0001.jpeg`` and ``VIRUS-…``.

The number behind ``person`` or ``IM`` counts patients, but bacteria and virus are counted apart, and so are names with
and without ``NORMAL2``: many a number is in both train and test, but never of the same kind. So a number of the test
set is another patient than the same number in train and val. Within these two it is taken for one patient whatever its
kind: if a patient had both kinds of pneumonia, a model would otherwise be validated on a patient of its training.
Where a number of the test set has the same kind in train or val after all, somebody has divided the images anew; then
the same number is the same patient everywhere.

Others have renamed the folder of pneumonia, or divided it into bacteria and virus; the names of its files tell the
kind.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePath

from medsynth_core.datasets.layouts.data_sets.data_set import DataSetReader, Listed, names_above

_FORMS = {
    "normal": (r"(?:NORMAL2-)?(?P<patient>IM-\d+)-\d+(?:-\d+)?", r"NORMAL-(?P<patient>\d+)-\d+"),
    "pneumonia": (
        r"(?P<patient>person\d+)_(?P<kind>bacteria|virus)_\d+(?:_\d+)?",
        r"(?P<kind>BACTERIA|VIRUS)-(?P<patient>\d+)-\d+",
    ),
}
_CLASSES = {"": "normal", "bacteria": "bacterial", "virus": "viral"}
_RELEASES = ("names of Kaggle", "names with randomised numbers")
_SPLITS = ("train", "val", "test")
_TEST = "test-"


def _read(path: PurePath) -> Listed | None:
    folder, split = names_above(path, 2)
    # Names of normal images are not peculiar to this data set.
    for release, form in zip(_RELEASES, _FORMS["normal" if folder == "normal" else "pneumonia"], strict=True):
        found = re.fullmatch(form + r"\.jpe?g", path.name, re.IGNORECASE)
        if found:
            kind = found.groupdict().get("kind") or ""
            patient = f"{_TEST}{found['patient']}" if split == "test" else found["patient"]
            stated = split if split in _SPLITS else ""
            return Listed(path.stem, patient, "xray", stated, _CLASSES[kind.lower()], release)
    return None


def _same_patients(listed: Collection[Listed]) -> dict[str, str]:
    """Return the numbers of the test set without their mark if the images were divided anew."""
    counted: dict[bool, set[tuple[str, str, bool]]] = {False: set(), True: set()}
    for one in listed:
        # What is counted apart has numbers of its own.
        kind = (one.category, one.case.upper().startswith("NORMAL2"))
        counted[one.patient.startswith(_TEST)].add((one.patient.removeprefix(_TEST), *kind))
    if not counted[True] & counted[False]:
        return {}
    return {f"{_TEST}{patient}": patient for patient, *_ in counted[True]}


CHEST_XRAY = DataSetReader(
    "chest X-rays (Kermany 2018)", "the number behind person or IM, apart for the test set", ("xray",), _read,
    same_patients=_same_patients,
)  # fmt: skip
