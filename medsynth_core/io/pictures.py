"""Pictures of two dimensions: PNG, JPEG, TIFF, BMP and GIF, without a grid in the patient."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.atomic import atomic_write, check_place
from medsynth_core.io.regular_file import open_regular

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif")
Channel = Literal["grey", "red", "green", "blue"]
# In the order of the channels of a picture.
COLOURS = ("red", "green", "blue")
# Weights of red, green and blue in grey: luma of ITU-R BT.601, as in most programs.
_LUMA = np.array([0.299, 0.587, 0.114])
# Channels of the same grey may differ by this much after the compression of a JPEG.
_SAME_GREY = 2


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is a picture by its suffix."""
    return os.fspath(path).lower().endswith(SUFFIXES)


def read_picture(path: str | os.PathLike[str], channel: Channel | None = None) -> np.ndarray:
    """Return a grey picture.

    Args:
        path: the file.
        channel: what of a colour picture is returned; None refuses colours. Pictures whose channels are equal are grey.

    Returns:
        Array (rows, columns): whole numbers as stored, or float64 (0 to 255) of a colour picture as grey.

    Raises:
        MedSynthError: the file is missing, damaged or no picture, has several pages, or is in colour without a channel.
    """
    values = _values(Path(path))
    if values.ndim == 2:
        return values
    colours = values[..., :3].astype(int)
    if np.ptp(colours, axis=-1).max(initial=0) <= _SAME_GREY:
        return values[..., 1]
    if channel is None:
        raise MedSynthError(
            f"{path} is a colour picture, but a grey one is needed; choose one of its channels, or convert it to grey.",
            kind="input",
        )
    return colours @ _LUMA if channel == "grey" else values[..., COLOURS.index(channel)]


def read_colour_picture(path: str | os.PathLike[str]) -> np.ndarray:
    """Return a colour picture: (rows, columns, 3), red, green and blue, whole numbers as stored.

    Raises:
        MedSynthError: the file is missing, damaged or no picture, has several pages, or has one channel alone.
    """
    values = _values(Path(path))
    if values.ndim == 2:
        raise MedSynthError(
            f"{path} is a grey picture, but one in colour is needed; choose the original in colour.", kind="input"
        )
    return values[..., :3]


def is_readable(path: Path) -> bool:
    """Return whether a picture is there and whole."""
    try:
        _values(path)
    except MedSynthError:
        return False
    return True


def _values(path: Path) -> np.ndarray:
    """Return the stored values of a picture: (rows, columns), or (rows, columns, 3 or 4)."""
    from PIL import Image

    try:
        with open_regular(path) as file, Image.open(file) as picture:
            pages = getattr(picture, "n_frames", 1)
            if pages > 1:
                raise MedSynthError(f"{path} has {pages} pages; save one of them as a picture.", kind="input")
            # Palettes and pictures of two values become what they show.
            shown = {"P": "RGB", "1": "L", "LA": "L", "PA": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}
            return np.asarray(picture.convert(shown[picture.mode]) if picture.mode in shown else picture)
    except MedSynthError:
        raise
    except FileNotFoundError as error:
        raise MedSynthError(f"There is no file {path}; check the name.", kind="input") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = reason_of(error) if isinstance(error, OSError) and error.strerror else "it is damaged or no picture"
        raise MedSynthError(f"{path} cannot be read as a picture: {reason}; save it as PNG.", kind="input") from error


def write_picture(values: np.ndarray, path: str | os.PathLike[str], texts: Mapping[str, str] | None = None) -> Path:
    """Write a mask, grey values or colours as PNG, and return its path.

    Args:
        values: (rows, columns), uint8; or bool, which is written as 0 and 255. Red, green and blue: (rows, columns, 3).
        path: ends with ``.png``; an existing file is replaced.
        texts: texts to store in the file, by keywords of the PNG standard (``Description``, ``Copyright``).

    Raises:
        MedSynthError: the path ends otherwise, or the file cannot be written.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    target, told = Path(path), PngInfo()
    check_picture_place(target)
    for name, text in (texts or {}).items():
        told.add_itxt(name, text)
    with atomic_write(target) as temporary:
        shown = values.astype(np.uint8) * 255 if values.dtype == bool else values
        Image.fromarray(shown).save(temporary, format="PNG", pnginfo=told)
    return target


def check_picture_place(target: Path) -> None:
    """Check, before long work, that a picture can be written to ``target``.

    Raises:
        MedSynthError: its name does not end with .png, or it cannot be written.
    """
    if not target.name.lower().endswith(".png"):
        raise MedSynthError(f"{target} cannot be written: the name of a picture must end with .png.", kind="output")
    check_place(target)
