"""What systems take where nothing is said."""

from __future__ import annotations

import inspect

from medsynth_core.systems.objective import NAMES, Objective
from medsynth_core.systems.registry import SYSTEMS
from medsynth_core.systems.settings import check_adversary


def test_what_is_not_stated():
    expected = {Objective: {"names": NAMES, "unit": 1.0}, check_adversary: {"image_pool": 0}}
    expected |= {system.step: {"parts": 1} for system in SYSTEMS.values()}
    for made, defaults in expected.items():
        parameters = inspect.signature(made).parameters.values()
        assert {one.name: one.default for one in parameters if one.default is not one.empty} == defaults, made
