"""What the CT and MR Image IODs want of a synthetic CT and MR."""

from __future__ import annotations

from pydicom.dataset import Dataset

from medsynth_core.io.dicom.derived_items import carry_or_empty, item


def ct_series(reference: Dataset) -> Dataset:
    """Return what all slices of a synthetic CT share; there was no tube, so its voltage stays empty."""
    made = item(KVP=None, AcquisitionNumber=None, RescaleType="HU")
    carry_or_empty(reference, made, ["PatientPosition"])
    return made


def mr_series(reference: Dataset) -> Dataset:
    """Return what all slices of a synthetic MR share.

    No pulse sequence was played, so none is claimed, whatever the contrast looks like: the scanning sequence is
    that of research, and the times stay empty.
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
