"""Judges of synthetic data sets: networks that learn a task from real or synthetic images and are tested on real ones.

Reference: Qu's thesis on multi-modal synthesis (Sun Yat-sen University, 2020), sections 5.5 and 5.6, Tables 4 to 8.
"""
