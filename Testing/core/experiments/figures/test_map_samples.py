"""Structure maps from noise side by side: corners are the same in both halves, rows and columns are straight lines."""

from __future__ import annotations

import numpy as np
from generation_builders import shared_package

from medsynth_core.experiments.figures.map_samples import map_samples, write_map_samples
from medsynth_core.generation.generator import Generator


def test_maps_between_four_of_the_drawn_ones_change_from_one_to_the_other(tmp_path_factory, tmp_path):
    generator = Generator.load(shared_package(tmp_path_factory), "cpu")
    seen: list[np.ndarray] = []
    maps = generator.maps
    generator.__dict__["maps"] = lambda codes: seen.append(codes) or maps(codes)
    drawn, between = map_samples(generator, 3, side=3)
    assert drawn.shape == between.shape and drawn.shape[:2] == (3, 3)
    assert set(np.unique(drawn)) <= {0.0, 0.3, 1.0}
    corners = np.ix_((0, -1), (0, -1))
    np.testing.assert_array_equal(drawn[corners], between[corners])
    codes = seen[1].reshape(3, 3, -1)
    for line in (*codes, *codes.swapaxes(0, 1)):
        np.testing.assert_allclose(line[1], (line[0] + line[2]) / 2)
    write_map_samples(generator, 3, tmp_path / "maps.png")
    assert (tmp_path / "maps.png").stat().st_size > 1000
