"""What every derived object states, whatever its modality: patient, study, origin, and that it is synthetic."""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from medsynth_core import __version__
from medsynth_core.io.dicom.derived_items import carry, carry_or_empty, code, item, text, value
from medsynth_core.io.dicom.derived_mark import MARK, SYNTHESIZING_EQUIPMENT, SYNTHETIC_DATA
from medsynth_core.io.dicom.derived_reference import Reference, series_number, source_series
from medsynth_core.io.dicom.frames import Frame
from medsynth_core.volume import Volume

_SOURCE_IMAGE = ("121322", "DCM", "Source image for image processing operation")
_SOURCE_SERIES = ("121323", "DCM", "Source series for image processing operation")
_SAME_ANATOMY = ("122401", "DCM", "Same Anatomy")
_ACQUISITION_EQUIPMENT = ("109101", "DCM", "Acquisition Equipment")

_MUST_BE_THERE = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber",
    "ReferringPhysicianName", "StudyID", "PositionReferenceIndicator", "Laterality",
)  # fmt: skip
_CARRIED = (
    "SpecificCharacterSet", "StudyInstanceUID", "StudyDescription", "IssuerOfPatientID", "OtherPatientIDsSequence",
    "PatientAge", "PatientSize", "PatientWeight", "PatientIdentityRemoved", "DeidentificationMethod",
    "DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified", "ClinicalTrialSponsorName",
    "ClinicalTrialProtocolID", "ClinicalTrialProtocolName", "ClinicalTrialSiteID", "ClinicalTrialSiteName",
    "ClinicalTrialSubjectID", "ClinicalTrialTimePointID", "BodyPartExamined",
    "LossyImageCompressionRatio", "LossyImageCompressionMethod",
)  # fmt: skip
_LARGEST_NUMBER = 2**31 - 1


def common_tags(volume: Volume, reference: Reference, description: str) -> Dataset:
    """Return the tags that all slices of the derived series share.

    Args:
        volume: what is stored; its metadata name the model.
        reference: whose patient, study and frame of reference it has.
        description: what the series description says behind the mark; ``""`` for modality and model.
    """
    header, (now, zone) = reference.header, _now(reference.header)
    made = item(
        Modality=volume.modality,
        SeriesInstanceUID=generate_uid(prefix=None),
        SeriesNumber=_free_number(reference),
        SeriesDescription=text(f"{MARK}: {description or _what(volume)}", 64),
        # A PET states its decay correction by the series' time, so that stays; today is the day of the content.
        SeriesDate=value(header, "SeriesDate") or value(header, "StudyDate") or f"{now:%Y%m%d}",
        SeriesTime=value(header, "SeriesTime") or value(header, "StudyTime") or f"{now:%H%M%S}",
        FrameOfReferenceUID=value(header, "FrameOfReferenceUID") or generate_uid(prefix=None),
        **{f"{what}Date": f"{now:%Y%m%d}" for what in ("Content", "InstanceCreation")},
        **{f"{what}Time": f"{now:%H%M%S}" for what in ("Content", "InstanceCreation")},
        DerivationDescription=text(_derivation(volume, reference), 1024),
        ImageComments=text(f"{MARK}. {' '.join(map(str, volume.metadata.get('limits', [])))}", 1024),
        BurnedInAnnotation="NO",
        # Once lossy, always lossy, says the standard.
        LossyImageCompression=value(header, "LossyImageCompression") or "00",
        RelatedSeriesSequence=_related_series(volume, reference),
    )
    made.add_new(SYNTHETIC_DATA, "CS", "YES")
    carry_or_empty(header, made, _MUST_BE_THERE)
    carry(header, made, _CARRIED)
    made.update(zone)
    if len(str(made.StudyID or "")) > 16:
        made.StudyID = str(made.StudyID)[:16]  # the longest that is valid; it identifies nothing
    made.update(_equipment(volume, header, now))
    return made


def _now(header: Dataset) -> tuple[datetime, Dataset]:
    """Return the time, in the zone that all times of the reference are in if it states one, and what states that."""
    zone = Dataset()
    carry(header, zone, ["TimezoneOffsetFromUTC"])
    try:
        return datetime.now(datetime.strptime(str(zone.get("TimezoneOffsetFromUTC")), "%z").tzinfo), zone
    except ValueError:
        return datetime.now(), Dataset()


def references(frames: list[Frame], reference: Reference) -> Dataset:
    """Return the references of one derived slice to slices of the reference."""
    listed = []
    for frame in frames:
        header = reference.headers[frame.file]
        one = item(ReferencedSOPClassUID=header.SOPClassUID, ReferencedSOPInstanceUID=header.SOPInstanceUID)
        if "NumberOfFrames" in header:
            one.ReferencedFrameNumber = frame.index + 1
        if reference.is_source:
            one.PurposeOfReferenceCodeSequence = code(_SOURCE_IMAGE)
        listed.append(one)
    return item(**{"SourceImageSequence" if reference.is_source else "ReferencedImageSequence": listed})


def _derivation(volume: Volume, reference: Reference) -> str:
    """Return in words what was made, by what, and from what."""
    facts = volume.metadata
    weights = f", weights SHA-256 {facts['weights_sha256']}" if facts.get("weights_sha256") else ""
    origin = f", from the series {reference.series}" if reference.is_source else ""
    limits = " ".join(map(str, facts.get("limits", [])))
    unit = f" in {volume.unit}" if volume.unit else ""
    return f"Synthetic {_what(volume)}{unit} by MedSynth {__version__}{weights}{origin}. Not for diagnosis. {limits}"


def _model(volume: Volume) -> str:
    return " ".join(str(volume.metadata[key]) for key in ("model", "model_version") if volume.metadata.get(key))


def _what(volume: Volume) -> str:
    dose = volume.metadata.get("simulation", {}).get("dose_reduction_factor")
    if dose:
        return f"{volume.modality}, simulated 1/{dose:g} of the dose"
    model = _model(volume)
    return f"{volume.modality} ({model})" if model else volume.modality


def _free_number(reference: Reference) -> int:
    own = series_number(reference.header)
    number = own * 100 + 1 if 0 < own < _LARGEST_NUMBER // 100 else 9001
    while number in reference.taken_numbers:
        number += 1
    return number


def _related_series(volume: Volume, reference: Reference) -> list[Dataset]:
    purpose = _SOURCE_SERIES if reference.is_source else _SAME_ANATOMY
    listed = [(str(reference.header.StudyInstanceUID), reference.series.uid, purpose)]
    study, series = source_series(volume)
    if not reference.is_source and study:
        listed.append((study, series, _SOURCE_SERIES))
    return [
        item(StudyInstanceUID=study, SeriesInstanceUID=series, PurposeOfReferenceCodeSequence=code(purpose))
        for study, series, purpose in listed
    ]


def _equipment(volume: Volume, header: Dataset, now: datetime) -> Dataset:
    """Return what made the pixels (MedSynth) and what else contributed (the scanner)."""
    ours = {
        "Manufacturer": "MedSynth",
        "ManufacturerModelName": text(_model(volume) or "MedSynth", 64),
        "SoftwareVersions": f"MedSynth {__version__}",
    }
    scanner = item(PurposeOfReferenceCodeSequence=code(_ACQUISITION_EQUIPMENT))
    carry(header, scanner, ["Manufacturer", "ManufacturerModelName", "SoftwareVersions"])
    synthesizer = item(
        PurposeOfReferenceCodeSequence=code(SYNTHESIZING_EQUIPMENT),
        ContributionDateTime=f"{now:%Y%m%d%H%M%S}",
        ContributionDescription=text(f"{MARK}: {_what(volume)}", 1024),
        **ours,
    )
    earlier = list(value(header, "ContributingEquipmentSequence") or [])
    # An item must name its manufacturer, which de-identified scans may lack.
    chain = [*earlier, scanner, synthesizer] if "Manufacturer" in scanner else [*earlier, synthesizer]
    return item(**ours, ContributingEquipmentSequence=chain)
