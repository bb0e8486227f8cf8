"""Simulation of low-dose PET from full-dose PET."""
