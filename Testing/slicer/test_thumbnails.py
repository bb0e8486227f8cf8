"""Thumbnails are made by a worker process: Slicer's event loop would leave a thread hardly a turn."""

from __future__ import annotations

import pytest
from application import eventloop, held, leaks
from builders import phantom_ct
from MedSynthTrainLib.thumbnails import Thumbnails
from scene_helpers import waitUntil

from medsynth_core.figures.thumbnail import write_thumbnail
from medsynth_core.io.writing import write_volume

pytestmark = pytest.mark.slow


@pytest.fixture
def images(tmp_path):
    """Return three image files, the second of which is damaged."""
    files = [tmp_path / f"{number}.nii.gz" for number in range(3)]
    for number, file in enumerate(files):
        write_volume(phantom_ct(seed=number), file)
    files[1].write_bytes(b"no image")
    return files


def test_TheyAreMadeByOneProcessWhichThenEnds(images, tmp_path):
    before, calls = leaks.count(), []
    thumbnails = Thumbnails(tmp_path / "kept", lambda: calls.append(True))
    assert [thumbnails.get(file) for file in images] == [None, None, None]
    assert leaks.count()["processes"] == before["processes"]  # they are gathered first
    assert waitUntil(lambda: leaks.count()["processes"] == before["processes"] + 1)
    most = [0]

    def allAreMade() -> bool:
        most[0] = max(most[0], leaks.count()["processes"])
        return all(thumbnails.get(file) for file in (images[0], images[2]))

    assert waitUntil(allAreMade) and most[0] == before["processes"] + 1
    assert thumbnails.get(images[1]) is None  # and it is not tried again
    for file in (images[0], images[2]):
        expected = write_thumbnail(file, tmp_path / "expected.pgm")
        assert thumbnails.get(file).read_bytes() == expected.read_bytes()
    assert waitUntil(lambda: leaks.count()["processes"] == before["processes"])
    eventloop.idle(500)
    assert leaks.count()["processes"] == before["processes"]
    assert calls
    thumbnails.close()


def test_WhatIsAskedForMeanwhileFollows(images, tmp_path):
    thumbnails = Thumbnails(tmp_path / "kept", lambda: None)
    thumbnails.get(images[0])
    assert waitUntil(lambda: thumbnails._job is not None)
    thumbnails.get(images[2])
    assert waitUntil(lambda: thumbnails.get(images[0]) and thumbnails.get(images[2]))
    thumbnails.close()


def test_ClosingEndsTheProcessAtOnce(images, tmp_path):
    before, calls = leaks.count(), []
    thumbnails = Thumbnails(tmp_path / "kept", lambda: calls.append(True))
    thumbnails.get(images[0])
    assert waitUntil(lambda: thumbnails._job is not None)
    calls.clear()
    thumbnails.close()
    assert leaks.count()["processes"] == before["processes"]
    eventloop.idle(300)
    assert calls == [] and held.timers() == before["timers"]
    thumbnails.close()
