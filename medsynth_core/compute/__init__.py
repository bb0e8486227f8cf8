"""Compute devices, available memory, and recovery when memory runs out."""
