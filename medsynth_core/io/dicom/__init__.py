"""Reading of DICOM series as volumes: choice of series, slice geometry and units."""
