"""What the system, and not MedSynth, refuses: in one sentence for the user."""

from __future__ import annotations

import errno

from medsynth_core.errors import MedSynthError

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


def as_user_error(error: BaseException) -> MedSynthError | None:
    """Return the sentence for an error of the system that reached the end of a command; None for any other failure.

    Most such errors are caught where they occur, with a sentence that says more. This is the net below them.
    """
    if isinstance(error, MedSynthError):
        return error
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, MemoryError):
        return MedSynthError("There is not enough memory for this; close other programs and try again.", kind="device")
    if isinstance(error, UnicodeEncodeError):
        return MedSynthError(
            f"The text {ascii(error.object[:80])} cannot be written in {error.encoding}; rename what it names."
        )
    return None


def reason_of(error: OSError) -> str:
    """Return why the system refused something, as part of a sentence."""
    if _is_full(error):
        return "the disk is full"
    return error.strerror or str(error) or type(error).__name__


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error, or one that it was raised from, says that the disk is full."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and _is_full(seen):
            return True
        seen = seen.__cause__
    return False


def _is_full(error: OSError) -> bool:
    # NumPy states only how much it could write.
    return error.errno in _FULL or (error.errno is None and " requested and " in str(error))


def _of_the_system(error: OSError) -> MedSynthError:
    if _is_full(error):
        where = f" while writing {error.filename}" if error.filename else ""
        return MedSynthError(f"The disk is full{where}; free some space and try again.", kind="output")
    what = f"{error.filename} cannot be used" if error.filename else "A file or device cannot be used"
    return MedSynthError(f"{what}: {reason_of(error)}; check that it exists and that you may use it.", kind="output")
