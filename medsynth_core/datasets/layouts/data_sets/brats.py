"""BraTS since 2017: MR of brain tumours in four contrasts with segmented tumours, as NIfTI.

Baid U et al. (2021), "The RSNA-ASNR-MICCAI BraTS 2021 Benchmark on Brain Tumor Segmentation and Radiogenomic
Classification", arXiv:2107.02314, and the challenges before and after it. As downloaded::

    MICCAI_BraTS_2018_Data_Training/HGG/Brats18_CBICA_AAB_1/Brats18_CBICA_AAB_1_t1ce.nii.gz
    MICCAI_BraTS_2019_Data_Training/LGG/BraTS19_TMC_30014_1/BraTS19_TMC_30014_1_seg.nii.gz
    MICCAI_BraTS2020_TrainingData/BraTS20_Training_001/BraTS20_Training_001_flair.nii
    BraTS2021_00000/BraTS2021_00000_t1ce.nii.gz
    ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData/BraTS-GLI-00000-000/BraTS-GLI-00000-000-t1c.nii.gz

- Until 2019 the last number is the visit: the patient is ``Brats18_CBICA_AAB``. Since 2023 the last three digits are
  (``BraTS-GLI-00005-100`` and ``-101`` are of one patient). In 2020 and 2021 each case has a number of its own.
- The folders HGG and LGG, where there are some, state the grade, which is the class of the case.
- Validation sets have no segmentations. They are the held-out part of a challenge, so their split is ``test``.
- The segmentation of ``BraTS20_Training_355`` is called ``W39_1998.09.19_Segm.nii`` in copies of the data set.
- The challenges reuse patients under other names, so cases of two of them cannot be divided by patient.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from medsynth_core.datasets.layouts.data_sets.brats2015 import GRADES, IMAGES
from medsynth_core.datasets.layouts.data_sets.data_set import DataSetReader, Listed, names_above

_ENDING = r"\.nii(?:\.gz)?"
_OF_A_VISIT = re.compile(
    r"(?P<case>(?P<patient>(?P<release>brats1[789])_\w+)_\d+)_(?P<kind>t1ce|t1|t2|flair|seg)" + _ENDING, re.IGNORECASE
)
_NUMBERED = re.compile(
    r"(?P<case>(?P<patient>(?P<release>brats20(?:21)?)_\w+))_(?P<kind>t1ce|t1|t2|flair|seg)" + _ENDING, re.IGNORECASE
)
_SINCE_2023 = re.compile(
    r"(?P<case>(?P<patient>(?P<release>brats-[a-z]+)-\d+)-\d+)-(?P<kind>t1n|t1c|t2w|t2f|seg)" + _ENDING, re.IGNORECASE
)
_MISNAMED = re.compile(r"W39_1998\.09\.19_Segm" + _ENDING, re.IGNORECASE)
_HELD_OUT = re.compile(r"brats.*(?:validation|testing)")
_ROLES = {
    "t1": "mr_t1",
    "t1n": "mr_t1",
    "t1c": "mr_t1c",
    "t1ce": "mr_t1c",
    "t2": "mr_t2",
    "t2w": "mr_t2",
    "flair": "mr_flair",
    "t2f": "mr_flair",
    "seg": "lesion",
}


def _read(path: PurePath) -> Listed | None:
    name = f"{path.parent.name}_seg.nii" if _MISNAMED.fullmatch(path.name) else path.name
    found = next((match for form in (_OF_A_VISIT, _NUMBERED, _SINCE_2023) if (match := form.fullmatch(name))), None)
    if not found:
        return None
    above = names_above(path, 4)
    return Listed(
        case=found["case"],
        patient=found["patient"],
        role=_ROLES[found["kind"].lower()],
        split=_split(found["case"].lower(), above),
        category=next((grade for grade in above if grade in GRADES), ""),
        # Since 2023 the parts GLI, MEN, MET … are other patients, not other editions.
        release="brats since 2023" if found.re is _SINCE_2023 else found["release"].lower(),
    )


def _split(case: str, above: list[str]) -> str:
    """Return the split that the name of a case tells or, where it does not, a folder above it."""
    if "_training_" in case:
        return "train"
    return "test" if any(map(_HELD_OUT.search, (case, *above))) else "train"


BRATS = DataSetReader(
    "BraTS since 2017", "the name of the case, without the number of the visit", IMAGES, _read, labels=("lesion",)
)
