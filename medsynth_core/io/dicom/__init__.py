"""DICOM folders as volumes: which series, which slices, where they lie and what their values mean."""
