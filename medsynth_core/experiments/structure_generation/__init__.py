"""Experiment ``structure-generation``: images from structure maps and from noise, as in Qu's thesis, on real data."""

EXPERIMENT = "structure-generation"
