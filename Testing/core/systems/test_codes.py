"""Codes for validation are always the same ones, by their number."""

from __future__ import annotations

import torch

from medsynth_core.systems.codes import codes


def test_a_code_depends_on_seed_and_number_alone():
    many = torch.cat(list(codes(40, 6, seed=0)))
    assert many.shape == (40, 6) and [len(part) for part in codes(40, 6, seed=0)] == [16, 16, 8]
    assert torch.equal(torch.cat(list(codes(3, 6, seed=0))), many[:3])
    assert not torch.equal(torch.cat(list(codes(3, 6, seed=1))), many[:3])
    assert abs(float(many.mean())) < 0.3 and 0.8 < float(many.std()) < 1.2
