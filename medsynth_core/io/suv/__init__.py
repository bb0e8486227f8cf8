"""Standardized uptake values (SUV) by the rules of DICOM headers, vendor by vendor."""
