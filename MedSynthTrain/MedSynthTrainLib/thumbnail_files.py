"""Files of thumbnails, which are pictures of patients: their names, and removing those that nobody needs."""

import hashlib
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# Also what a process that was killed while writing one has left beside it. Other files in the folder are not ours.
_NAME = re.compile(r"(\.[0-9a-f]{8}-)?[0-9a-f]{16}\.pgm")


def pictureOf(folder: Path, file: Path) -> Path | None:
    """Return where the thumbnail of an image file belongs; None if there is no such image.

    Args:
        folder: folder of the thumbnails.
        file: a file that has changed, or is in another place, gets another thumbnail.
    """
    try:
        state = file.stat()
    except OSError:
        return None
    key = hashlib.sha256(f"{file}{state.st_mtime_ns}{state.st_size}".encode(errors="surrogateescape")).hexdigest()[:16]
    return folder / f"{key}.pgm"


def removeUnneeded(folder: Path, files: Iterable[Path]) -> None:
    """Delete the thumbnails of all other images than ``files``, and the folder if nothing is left in it."""
    with suppress(OSError):
        found = [picture for picture in folder.iterdir() if _NAME.fullmatch(picture.name)]
        needed = {pictureOf(folder, file) for file in files} if found else set()
        for picture in found:
            if picture not in needed:
                picture.unlink(missing_ok=True)
        folder.rmdir()
