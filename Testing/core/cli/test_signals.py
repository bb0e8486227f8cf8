"""A command that is stopped leaves nothing half-written and nothing temporary; Testing/signals stops it more often."""

from __future__ import annotations

import signal

import pytest
from stopping import commands, moments

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    return commands(tmp_path_factory.mktemp("inputs"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", ["synthesize", "suv", "dicom", "simulate-dose", "import"])
def test_a_command_that_is_stopped_leaves_all_or_nothing(name, number, known, tmp_path):
    seconds = known[name].run(tmp_path / "whole")
    for place, after in enumerate(moments(4, seconds)[1:3]):
        known[name].run(tmp_path / f"stopped-{place}", number, after)
