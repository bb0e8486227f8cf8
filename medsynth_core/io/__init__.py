"""Reading and writing of volumes: NIfTI, NRRD, MetaImage and DICOM."""
