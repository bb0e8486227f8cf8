"""A worker waits for its next job: as long as it is told, while there is memory, and without what the last one left."""

import subprocess
import sys

import pytest
from worker_client import LAST, Client

QUICK = """
import medsynth_core.worker as worker
worker.JOBS["quick"] = lambda request, progress: {}
"""


def ends(client):
    """Return whether a worker ends by itself, as it should: without a word, and with success."""
    return client.process.wait(60) == 0 and client.lines.empty()


def test_it_waits_no_longer_than_it_is_told():
    client = Client(QUICK, ("--keep", "0.1"))
    with pytest.raises(subprocess.TimeoutExpired):
        client.process.wait(2)  # for its first job it waits as long as it takes
    client.send(job="quick")
    assert client.next(*LAST)["event"] == "done" and ends(client)


def test_it_makes_room_when_memory_becomes_scarce():
    """Everything may be free but less than a tenth, at the second look."""
    shares = "import medsynth_core.compute.memory as memory\nshares = iter([0.9, 0.099])\n"
    client = Client(QUICK + shares + "memory.free_share = lambda: next(shares)\n")
    client.send(job="quick")
    assert client.next(*LAST)["event"] == "done" and ends(client)


def test_a_job_that_comes_in_time_is_done():
    client = Client(QUICK, ("--keep", "600"))
    for _ in range(3):
        client.send(job="quick")
        assert client.next(*LAST)["event"] == "done"
    client.process.stdin.close()
    assert client.process.wait(10) == 0


HOARD = """
import psutil
import medsynth_core.worker as worker
rss = lambda: psutil.Process().memory_info().rss
last = []
def hoard(request, progress):
    before = rss()
    pieces = [b"voxels" * 10_000 for _ in range(3_000)]
    last.append(bytes(60_000))  # above the others: without it the C library gives all of them back
    return {"before": before, "within": rss()}
worker.JOBS["hoard"] = hoard
worker.JOBS["tell"] = lambda request, progress: {"after": rss()}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only the C library of Linux is told to")
def test_the_memory_of_a_job_is_given_back_with_what_was_in_it():
    client = Client(HOARD)
    client.send(job="hoard")
    hoarded = client.next(*LAST)
    assert hoarded["within"] - hoarded["before"] > 150e6
    client.send(job="tell")
    assert client.next(*LAST)["after"] - hoarded["before"] < 20e6
    client.process.stdin.close()
    assert client.process.wait(10) == 0
