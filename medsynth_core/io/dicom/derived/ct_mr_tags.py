"""Tags required by the CT and MR Image IODs."""

from __future__ import annotations

from pydicom.dataset import Dataset

from medsynth_core.io.dicom.derived.items import carry_or_empty, item


def ct_series(reference: Dataset) -> Dataset:
    """Return the tags shared by all slices of a synthetic CT; the tube voltage is empty because nothing was scanned."""
    made = item(KVP=None, AcquisitionNumber=None, RescaleType="HU")
    carry_or_empty(reference, made, ["PatientPosition"])
    return made


def mr_series(reference: Dataset) -> Dataset:
    """Return the tags shared by all slices of a synthetic MR.

    No pulse sequence was acquired, so none is stated, whatever the contrast: the scanning sequence is research mode
    (``RM``), and the times are empty.
    """
    made = item(
        ScanningSequence="RM",
        SequenceVariant="NONE",
        ScanOptions=None,
        MRAcquisitionType=None,
        RepetitionTime=None,
        EchoTime=None,
        EchoTrainLength=None,
    )
    carry_or_empty(reference, made, ["PatientPosition"])
    return made
