"""Scores and tables of the experiments."""
