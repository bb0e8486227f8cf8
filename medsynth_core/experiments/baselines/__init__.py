"""Baselines: filters and look-up tables."""
