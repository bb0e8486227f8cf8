"""Export of synthetic volumes as derived DICOM series."""
