"""Rigid and deformable registration of two volumes of one patient, and registration quality."""
