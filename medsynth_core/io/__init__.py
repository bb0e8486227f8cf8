"""Volumes from files and back: NIfTI, NRRD, MetaImage and DICOM."""
