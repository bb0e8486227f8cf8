"""Words in the names of folders and files that tell a kind of image or a group of patients."""

from __future__ import annotations

import re
from collections.abc import Collection

PATIENT_WORDS = "p|pat|patients?|pts?|sub|subj|subjects?|case|participant|volunteer|vol|person|animal|mouse|rat|phantom"
_GROUP = re.compile(
    r"(?:train|training|val|valid|validation|test|testing|dev)(?:[-_ ]?set)?|(?:images|labels)(?:tr|ts|va)|"
    r"data|images?|patients?|cases|subjects|controls?|nifti|raw|rawdata|sourcedata|derivatives|bids|"
    r"healthy|normal|abnormal|benign|malignant|diseased?|positive|negative|males?|females?|high|low|mild|severe|"
    r"[hl]gg|fdg|psma|fapi|dota(?:tate|toc|noc)|ad|[els]?mci|smc|scd|nc|cn|hc|pd|ftd|ge|siemens|philips|canon|toshiba|uih|"
    r"(?:fold|task|dataset|ds|data|cohort|site|cent(?:er|re)|hospital|clinic|institution|vendor|scanner|batch|group|"
    r"part|arm|class|grade|stage|phase|project|collection|release)(?:[-_ ]?(?:[a-z]|\d+)|[-_ ][a-z]+\d*)?",
    re.IGNORECASE,
)
_NUMBERED_GROUP = re.compile(
    r"(?<![a-z0-9])(?:fold|task|dataset|ds|cohort|site|cent(?:er|re)|hospital|scanner|batch|group|part|arm|class|"
    r"grade|stage|phase|project|release)[-_ ]?\d+(?![a-z0-9])",
    re.IGNORECASE,
)
_SPLIT = re.compile(r"(?P<split>train|val|test|dev)(?:ing|id|idation)?(?:[-_ ]?set)?", re.IGNORECASE)
_MODALITIES = {"ct", "pet", "pt", "mr", "mri", "cbct", "spect"}
KINDS = _MODALITIES | {"anat", "image", "images", "img", "nifti", "nii", "seg", "mask", "masks", "label", "labels"}
_ENDS_WITH_KIND = re.compile(rf"(?P<rest>.*[^-_.\s])[-_.\s]+(?:{'|'.join(_MODALITIES)})\d{{0,2}}", re.IGNORECASE)
_BEGINS_WITH_KIND = re.compile(rf"(?:{'|'.join(_MODALITIES)})[-_.\s]+(?P<rest>.+)", re.IGNORECASE)


def is_group(name: str) -> bool:
    """Return whether a folder is named after a set of patients, such as ``train``, ``AD`` or ``scanner2``."""
    return _GROUP.fullmatch(name) is not None


def is_patient_word(name: str) -> bool:
    """Return whether a name is a word such as ``sub`` or ``patient``, which tells no patient without a number."""
    return re.fullmatch(PATIENT_WORDS, name, re.IGNORECASE) is not None


def split_word(name: str) -> str:
    """Return ``train``, ``val``, ``test`` or ``dev`` of a folder that is named after a split; "" for others."""
    found = _SPLIT.fullmatch(name)
    return found["split"].lower() if found else ""


def is_kind(name: str, roles: Collection[str]) -> bool:
    """Return whether a folder is named after a kind of image or one of the roles, and not after a patient or visit."""
    return name.lower() in KINDS | {role.lower() for role in roles}


def has_number(name: str) -> bool:
    """Return whether a name has a number that may tell a patient, which that of a group (``site1``) does not."""
    return re.search(r"\d", _NUMBERED_GROUP.sub("", name)) is not None


def without_kind(name: str) -> str:
    """Return the name of a numbered patient without a modality at its end or start: ``P1_CT`` → ``P1``."""
    for pattern in (_ENDS_WITH_KIND, _BEGINS_WITH_KIND):
        found = pattern.fullmatch(name)
        if found and has_number(found["rest"]):
            return found["rest"]
    return name


def without_words(name: str, words: Collection[str]) -> str:
    """Return a name without those of its parts, between separators, that are among some words; "" if none is left."""
    if not words:
        return name
    either = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    rest = re.sub(rf"(?<![^-_.\s])(?:{either})(?![^-_.\s])", "", name, flags=re.IGNORECASE)
    return re.sub(r"([-_.\s])[-_.\s]+", r"\1", rest).strip("-_. ")
