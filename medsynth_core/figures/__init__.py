"""Figures of volumes for reports."""
