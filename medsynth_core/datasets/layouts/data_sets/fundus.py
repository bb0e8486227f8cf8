"""Fundus photographs: DRIVE and CHASE_DB1, with the vessels drawn by hand, and the pairs of FIRE.

DRIVE (Staal J et al. (2004), "Ridge-based vessel segmentation in color images of the retina", IEEE Transactions on
Medical Imaging 23(4):501–509): 20 photographs to train with and 20 to test with; the vessels of the test set are not in
every copy::

    training/images/21_training.tif, training/1st_manual/21_manual1.gif, training/mask/21_training_mask.gif
    test/images/01_test.tif, test/mask/01_test_mask.gif, test/1st_manual/01_manual1.gif, test/2nd_manual/01_manual2.gif

CHASE_DB1 (Fraz MM et al. (2012), IEEE Transactions on Biomedical Engineering 59(9):2538–2548): both eyes of 14
children, with the vessels drawn by two observers; a child is a patient::

    Image_01L.jpg, Image_01L_1stHO.png, Image_01L_2ndHO.png, Image_01R.jpg, …

FIRE (Hernandez-Matas C et al. (2017), "FIRE: Fundus Image Registration dataset", Journal for Modeling in Ophthalmology
1(4):16–28): 134 pairs of photographs of the same eye, in the categories S, P and A. A pair is of one patient, and pairs
that have a photograph in common are of the same::

    Images/A01_1.jpg, Images/A01_2.jpg, …
"""

from __future__ import annotations

import re
from pathlib import PurePath

from medsynth_core.datasets.layouts.data_sets.data_set import DataSetReader, Listed, names_above

# Copies often have the labels in another format, because few programs read GIF.
_LABEL = r"(?:gif|png|tiff?)"
_DRIVE = {
    "images": (re.compile(r"(\d+)_(?:training|test)\.tiff?", re.IGNORECASE), "fundus"),
    "1st_manual": (re.compile(r"(\d+)_manual1\." + _LABEL, re.IGNORECASE), "vessels"),
    "mask": (re.compile(r"(\d+)_(?:training|test)_mask\." + _LABEL, re.IGNORECASE), "field_of_view"),
    "2nd_manual": (re.compile(r"(\d+)_manual2\." + _LABEL, re.IGNORECASE), "vessels_second"),
}
_DRIVE_SPLITS = {"training": "train", "test": "test"}
_CHASE = re.compile(r"(?P<case>Image_(?P<child>\d+)[LR])(?:\.jpg|_(?P<observer>1st|2nd)HO\.png)", re.IGNORECASE)
_CHASE_ROLES = {"": "fundus", "1st": "vessels", "2nd": "vessels_second"}
_FIRE = re.compile(r"(?P<pair>[APS]\d+)_[12]\.jpg", re.IGNORECASE)


def _drive(path: PurePath) -> Listed | None:
    folder, part = names_above(path, 2)
    form, role = _DRIVE.get(folder, (None, ""))
    found = form.fullmatch(path.name) if form else None
    if not found or part not in _DRIVE_SPLITS:
        return None
    case = f"{found[1]}_{part}"
    return Listed(case, case, role, _DRIVE_SPLITS[part])


def _chase(path: PurePath) -> Listed | None:
    found = _CHASE.fullmatch(path.name)
    if not found:
        return None
    return Listed(found["case"], f"child-{found['child']}", _CHASE_ROLES[(found["observer"] or "").lower()])


def _fire(path: PurePath) -> Listed | None:
    found = _FIRE.fullmatch(path.name)
    if not found or "images" not in names_above(path, 1):
        return None
    return Listed(path.stem, found["pair"], "fundus")


DRIVE = DataSetReader(
    "DRIVE", "the number of the photograph", ("fundus",), _drive, labels=("vessels",),
    further=("field_of_view", "vessels_second"),
)  # fmt: skip
CHASE_DB1 = DataSetReader(
    "CHASE_DB1", "the number of the child", ("fundus",), _chase, labels=("vessels",), further=("vessels_second",)
)
FIRE = DataSetReader(
    "FIRE", "the pair, and pairs that share a photograph", ("fundus",), _fire, joins_copies=True,
    doubt="The names do not tell which pairs are of one patient; if you know more, correct the column patient of the "
    "manifest.",
)  # fmt: skip
