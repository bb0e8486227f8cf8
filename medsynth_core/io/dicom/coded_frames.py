"""Size of compressed DICOM frames, from the header of each code stream.

A decoder trusts that size and takes memory for it, so it is compared with the DICOM header first.
"""

from __future__ import annotations

from collections.abc import Iterator

_JPEG_START, _JPEG2000_START = b"\xff\xd8", b"\xff\x4f\xff\x51"
# Frame headers of JPEG and JPEG-LS; the markers between them hold tables.
_FRAME_HEADERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}


def coded_sizes(pixel_data: bytes, frames: int) -> Iterator[tuple[int, int]]:
    """Yield rows and columns of each frame of encapsulated JPEG, JPEG-LS or JPEG 2000.

    Frames in an unknown code are left out.

    Args:
        pixel_data: value of Pixel Data.
        frames: number of frames.

    Raises:
        ValueError: the pixel data are damaged, or a frame holds colours.
    """
    for frame in _code_streams(pixel_data, frames):
        if (start := frame.find(_JPEG2000_START, 0, 256)) >= 0:  # it may lie in a JP2 file
            yield _jpeg2000_size(frame[start:])
        elif frame.startswith(_JPEG_START):
            yield _jpeg_size(frame)


def _code_streams(pixel_data: bytes, frames: int) -> Iterator[bytes]:
    from pydicom import encaps

    if hasattr(encaps, "generate_frames"):
        yield from encaps.generate_frames(pixel_data, number_of_frames=frames)
    else:  # pydicom before version 3
        yield from encaps.generate_pixel_data_frame(pixel_data, frames)


def _jpeg_size(frame: bytes) -> tuple[int, int]:
    at = 2
    while at + 10 <= len(frame):
        if frame[at] != 0xFF:
            raise ValueError("no marker where one must be")
        marker = frame[at + 1]
        if marker in _FRAME_HEADERS:
            if frame[at + 9] != 1:
                raise ValueError("several components")
            return int.from_bytes(frame[at + 5 : at + 7], "big"), int.from_bytes(frame[at + 7 : at + 9], "big")
        # A byte 0xFF may fill the space before a marker.
        at += 1 if marker == 0xFF else 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    raise ValueError("no frame header")


def _jpeg2000_size(frame: bytes) -> tuple[int, int]:
    columns, rows, left, top = (int.from_bytes(frame[at : at + 4], "big") for at in range(8, 24, 4))
    if len(frame) < 42 or int.from_bytes(frame[40:42], "big") != 1:
        raise ValueError("several components")
    return rows - top, columns - left
