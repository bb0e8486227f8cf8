"""Measures of maps, and which maps are unlike real ones."""

from __future__ import annotations

import numpy as np

from medsynth_core.structure.quality import map_measures, ranges_of, unlike


def disc(radius: float) -> np.ndarray:
    y, x = np.indices((64, 64)) - 31.5
    return np.hypot(y, x) < radius


def test_measures_of_a_disc_with_a_ring_are_its_shares():
    organ = disc(20)
    ring = disc(12) & ~disc(10)
    found = map_measures(ring, organ)
    assert found == {"organ": organ.mean(), "lines": ring.sum() / organ.sum(), "largest": 1.0}
    beside = organ.copy()
    beside[:4, :4] = True
    assert map_measures(ring, beside)["largest"] == organ.sum() / beside.sum()
    assert map_measures(ring, np.zeros_like(organ)) == {"organ": 0.0, "lines": 0.0, "largest": 0.0}


def test_a_map_outside_the_range_of_real_ones_is_named():
    ranges = ranges_of(map_measures(disc(12) & ~disc(10), disc(radius)) for radius in np.linspace(18, 26, 200))
    assert unlike(map_measures(disc(12) & ~disc(10), disc(22)), ranges) == ""
    assert unlike(map_measures(disc(12) & ~disc(10), disc(30)), ranges) == "organ"
    assert unlike(map_measures(disc(18), disc(22)), ranges) == "lines"
    broken = disc(22)
    broken[:, 20:24] = False
    assert unlike(map_measures(disc(12) & ~disc(10) & broken, broken), ranges) == "largest"
    assert ranges_of([]) == {} and unlike({"organ": 1.0}, {}) == ""
