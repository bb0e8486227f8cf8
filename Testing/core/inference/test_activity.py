"""The thresholds above which a change of total activity is reported."""

from __future__ import annotations

import pytest

from medsynth_core.inference.activity import is_activity_kept, is_body_complete


@pytest.mark.parametrize(("ratio", "kept"), [(1.0, True), (1.02, True), (0.98, True), (1.0201, False), (0.9799, False)])
def test_two_percent_of_the_activity_may_be_lost_or_gained(ratio: float, kept: bool) -> None:
    assert is_activity_kept(ratio) == kept


@pytest.mark.parametrize(("outside", "complete"), [(0.0, True), (0.1, True), (0.1001, False)])
def test_ten_percent_of_the_activity_may_be_noise_outside(outside: float, complete: bool) -> None:
    assert is_body_complete(outside) == complete
