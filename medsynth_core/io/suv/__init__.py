"""Standardized uptake values (SUV) from DICOM headers, with vendor-specific rules."""
