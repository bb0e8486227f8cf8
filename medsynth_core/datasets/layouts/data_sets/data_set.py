"""What a reader of a public data set is: what the path of each of its files says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True)
class Listed:
    """What the path of a file says.

    Attributes:
        case: name of the case.
        patient: whose case it is; two patients of the data set have different names, whatever their split.
        role: what kind of image it is.
        split: ``train``, ``val`` or ``test`` if the data set states it; else "".
        category: class of the case in one word, such as ``normal``; "" if the data set has no classes.
        release: edition of the data set. Editions have the same patients under different names.
    """

    case: str
    patient: str
    role: str
    split: str = ""
    category: str = ""
    release: str = ""


@dataclass(frozen=True)
class DataSetReader:
    """A public data set.

    Attributes:
        name: name for messages.
        patient: what is taken for the patient, for messages.
        images: roles that every case has.
        labels: roles that every case has, except those of a split that was published without.
        further: roles that a case may have.
        read: return what the absolute path of a file says; None if it is none of the data set's. Folders above the one
            that the user has chosen count as well, so that a part of the data set is read as in the whole.
        doubt: what the user should know of the patients; "" for nothing.
        same_patients: return other names of patients by name where the split alone made them different people; None if
            it never does.
        joins_copies: whether pictures are published several times under different names, whose bytes then tell which
            patients are the same.
        annotations: name of the table with the boxes of all cases (`tianchi`); "" if there is none.
        instead_of: names of data sets that are left out where this one is in the same folder.
    """

    name: str
    patient: str
    images: tuple[str, ...]
    read: Callable[[PurePath], Listed | None]
    labels: tuple[str, ...] = ()
    further: tuple[str, ...] = ()
    doubt: str = ""
    same_patients: Callable[[Collection[Listed]], Mapping[str, str]] | None = None
    joins_copies: bool = False
    annotations: str = ""
    instead_of: tuple[str, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """All roles, in the order of the columns of a manifest."""
        return (*self.images, *self.labels, *self.further)


def names_above(path: PurePath, count: int) -> list[str]:
    """Return the names of the nearest folders of a file in small letters, the nearest first; "" where there is none."""
    found = [parent.name.lower() for parent in list(path.parents)[:count]]
    return [*found, *[""] * (count - len(found))]
