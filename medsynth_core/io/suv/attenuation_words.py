"""Words by which scanners and users say that a PET was not corrected for attenuation: one list for DICOM and JSON."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# The patterns are compared with words in lower case, without accents, separated by one space (`_words`).
_NOT = (
    r"(?:pet|wb|tof)?(?:no|non|not|n|wo|w o|without|ohne|keine?|nicht|sans|pas|sin|senza|sem|nao|zonder|niet|utan|uden"
    r"|uten|bez|ej)"
)
_BY = r"(?:(?:ct|mri?|tx|pet|transmission|ge68|4 ?d) ?)?"
_ATTENUATION = (
    rf"{_BY}(?:ac|a c|at[tn](?:n|en|enuat\w*)? ?c?or?r?\w*|(?:d )?attenuation\w*|attenuazione|atenua\w*|attn?|atten|atn"
    r"|schwa?e?chungs?\w*|absorptions?korr\w*)"
)
_CORRECTED = r"(?:\w*corr(?:\b|e|i)\w*|corr?igi?\w*|corret\w*|correg\w*|cor|\w*korr\w*)"
_APPLIED = r"(?:off|none|false|disabled|not (?:applied|performed|done)|non (?:applique\w*|applicata)|aus|nein)"
_MOTION = r"(?:motion|movement|moco|scatter|decay|randoms?)"
# Words after "no AC" or "no correction" that make it a remark on something else.
_REMARK = rf"(?! ?(?:issues?|problems?|artefa[ck]ts?|artifacts?|errors?|{_MOTION}))"
_DENIED = re.compile(
    rf"\b{_NOT} ?{_ATTENUATION}\b{_REMARK}|\b(?:ohne|keine|nicht|no|non) sk\b|\b(?:sans|pas de) ca\b"
    rf"|\b{_ATTENUATION} (?:{_APPLIED}|un ?corr?\w*|(?:not|non|nicht) {_CORRECTED})\b(?! {_MOTION})"
    rf"|\b{_ATTENUATION} no$|\bun ?corr?\w* (?:for|of|de|fur|per) {_ATTENUATION}"
)
_NAC = re.compile(
    r"\bn ?ac ?\d*\b|\b(?:wb|ct|pet|mr|tof|[23] ?d|psf|fdg|st|dyn|body|head|brain)nac\d*\b"
    r"|\bnac(?:pet|stat|dyn|tof|psf|hd|wb|img|image)\b"
)
_NO_CORRECTION = re.compile(
    rf"\bun ?corr?(?:ected|ectd|ec|\b)\w*|\bun ?korr?\w*|\bongecorrigeerd\w*|\bokorrigera\w*"
    rf"|\b{_NOT} ?{_CORRECTED}\b{_REMARK}|\bemission only\b"
)
_STANDS = re.compile(rf"\b{_BY}ac(?: ?ct)?\b|\b(?:attenuation|attn?|atten) ?corr\w*")
# NAC is also neoadjuvant chemotherapy.
_CHEMOTHERAPY = re.compile(
    r"\b(?:post|pre|prior to|before|after|during|mid|following|nach|vor|apres|avant|dopo) ?nac\b"
    r"|\bnac (?:chemo\w*|cycles?|therapy|response)"
)
# Other corrections, or their absence.
_ELSEWHERE = re.compile(
    r"\b(?:decay|motion|moco|movement|respiratory|resp|scatter|randoms?|dead ?time|pve|pvc|partial volume)"
    rf" ?(?:un ?[ck]orr?\w*|{_NOT} {_CORRECTED})"
    r"|\bun ?[ck]orr?\w* (?:for )?(?:decay|motion|movement|scatter|randoms?|dead ?time|pve|pvc|partial volume)"
)
_EAST_ASIAN = re.compile("[未无無非](?:经|經)?(?:衰减|衰減|吸收|吸収|減弱)|(?:吸収|減弱|衰減)補正(?:なし|無)")
# What a method is called if there was none.
_NO_METHOD = re.compile(
    r"none|no|off|nac|false|nil|null|without|keine|aucune?|nessuna|ninguna|nenhuma|geen"
    rf"|not (?:applied|performed|corrected|done)|{_NO_CORRECTION.pattern}"
)
_UNKNOWN = ("", "n a", "na", "unknown", "not available", "unspecified", "other")


@lru_cache(maxsize=256)  # all slices of a series have the same
def denies_correction(name: str) -> bool:
    """Return whether a name of a series, a kind of image or a file says that there was no attenuation correction.

    "NAC" and "uncorrected" do not count in a name in which AC stands by itself, such as "PET AC post NAC": NAC may be
    neoadjuvant chemotherapy, and other corrections may be missing.
    """
    words = _CHEMOTHERAPY.sub(" ", _ELSEWHERE.sub(" ", _words(name)))
    if _DENIED.search(words) or _EAST_ASIAN.search(name):
        return True
    return not _STANDS.search(words) and bool(_NAC.search(words) or _NO_CORRECTION.search(words))


def names_method(method: str) -> bool | None:
    """Return whether the text for the method of attenuation correction names one; None if it says nothing."""
    words = _words(method)
    first = _words(re.split(r"[,;]", method)[0])
    if words in _UNKNOWN:
        return None
    return not (_NO_METHOD.fullmatch(first) or first.startswith("none ") or denies_correction(method))


def _words(name: str) -> str:
    """Return the words of a name in lower case without accents, those of "noCTAC" and "PET_NoAttn" apart."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)
    return " ".join(re.sub(r"[^a-z0-9]+", " ", apart.lower()).split())
