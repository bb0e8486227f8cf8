"""Measures of generators, which are those of sets of images: they are computed by `frechet` and `image_sets`."""

from __future__ import annotations

from medsynth_core.metrics.metric import Metric

FID = Metric(
    "fid",
    title="FID",
    unit="1",
    direction="lower",
    function=None,
    undefined="there are fewer than two images",
    evaluated=False,
)
IMAGE_DISTANCE = Metric(
    "image_distance",
    title="Fréchet distance of images (means of 8 × 8 fields)",
    unit="1",
    direction="lower",
    function=None,
    undefined="there are fewer than two images",
    evaluated=False,
)
MAP_DISTANCE = Metric(
    "map_distance",
    title="Fréchet distance of structure maps",
    unit="1",
    direction="lower",
    function=None,
    undefined="there are fewer than two maps",
    evaluated=False,
)
MS_SSIM_PAIRED = Metric(
    "ms_ssim_paired",
    title="MS-SSIM of pairs (2-D)",
    unit="1",
    direction="higher",
    function=None,
    undefined="the images have fewer than 11 rows or columns",
    decimals=".3f",
    evaluated=False,
)
MS_SSIM_DIVERSITY = Metric(
    "ms_ssim_diversity",
    title="MS-SSIM within the set (2-D)",
    unit="1",
    direction="lower",
    function=None,
    undefined="there are fewer than two images, or they have fewer than 11 rows or columns",
    decimals=".3f",
    evaluated=False,
)
