"""BRATS 2015: MR of gliomas in four contrasts with segmented tumours, as MetaImage.

Menze BH et al. (2015), "The Multimodal Brain Tumor Image Segmentation Benchmark (BRATS)", IEEE Transactions on Medical
Imaging 34(10):1993–2024. As downloaded from www.smir.ch/BRATS/Start2015::

    BRATS2015_Training/HGG/brats_tcia_pat153_0109/VSD.Brain.XX.O.MR_T1.35536/VSD.Brain.XX.O.MR_T1.35536.mha
                                                  VSD.Brain_3more.XX.O.OT.42283/VSD.Brain_3more.XX.O.OT.42283.mha
    BRATS2015_Testing/HGG_LGG/…, without segmentations

The number behind that of the patient is the visit: ``brats_tcia_pat153_0109`` and ``brats_tcia_pat153_0181`` are of one
patient. The training cases are in the folders HGG and LGG, of high and low grade, which is the class of the case.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from medsynth_core.datasets.layouts.data_sets.data_set import DataSetReader, Listed, names_above

_FILE = re.compile(
    r"VSD\.Brain(?:_\dmore)?\.XX\.(?:O|XX)\.(?P<kind>MR_T1c|MR_T1|MR_T2|MR_Flair|OT)(?:\.\d+)?\.mha", re.IGNORECASE
)
_CASE = re.compile(r"(?P<patient>brats_(?:2013|tcia)_pat\d+)_\w+", re.IGNORECASE)
_TESTING = re.compile(r"(?:brats2015_)?testing")
_ROLES = {"mr_t1": "mr_t1", "mr_t1c": "mr_t1c", "mr_t2": "mr_t2", "mr_flair": "mr_flair", "ot": "lesion"}
GRADES = ("hgg", "lgg")
IMAGES = ("mr_t1", "mr_t1c", "mr_t2", "mr_flair")


def _read(path: PurePath) -> Listed | None:
    file = _FILE.fullmatch(path.name)
    # A file is in a folder of its own in that of the case, or directly in it.
    case = next((found for parent in list(path.parents)[:2] if (found := _CASE.fullmatch(parent.name))), None)
    if not file or not case:
        return None
    above = names_above(path, 4)
    return Listed(
        case=case[0],
        patient=case["patient"],
        role=_ROLES[file["kind"].lower()],
        split="test" if any(_TESTING.fullmatch(name) for name in above) else "train",
        category=next((name for name in above if name in GRADES), ""),
    )


BRATS2015 = DataSetReader(
    "BRATS 2015", "brats_…_pat…, without the number of the visit", IMAGES, _read, labels=("lesion",)
)
