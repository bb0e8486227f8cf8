"""Tags of derived objects of all modalities: patient, study, origin and the synthetic mark."""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from medsynth_core.io.dicom.derived.items import carry, carry_or_empty, code, item, text, value
from medsynth_core.io.dicom.derived.reference import Reference, series_number, source_series
from medsynth_core.io.dicom.frames import Frame
from medsynth_core.io.dicom.synthetic_mark import ERROR_MAP, MARK, SYNTHESIZING_EQUIPMENT, SYNTHETIC_DATA
from medsynth_core.version import __version__
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
    "PatientAge", "PatientSize", "PatientWeight", "PatientSpeciesDescription", "PatientSpeciesCodeSequence",
    "PatientIdentityRemoved", "DeidentificationMethod",
    "DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified", "ClinicalTrialSponsorName",
    "ClinicalTrialProtocolID", "ClinicalTrialProtocolName", "ClinicalTrialSiteID", "ClinicalTrialSiteName",
    "ClinicalTrialSubjectID", "ClinicalTrialTimePointID", "BodyPartExamined",
    "LossyImageCompressionRatio", "LossyImageCompressionMethod",
)  # fmt: skip
_PROGRAM = ("Manufacturer", "ManufacturerModelName", "SoftwareVersions")
_LARGEST_NUMBER = 2**31 - 1
_FIRST_ERROR_MAP = 51


def common_tags(volume: Volume, reference: Reference, description: str) -> Dataset:
    """Return the tags shared by all slices of the derived series.

    Args:
        volume: the volume to store; its metadata name the model.
        reference: series from which patient, study and frame of reference are taken.
        description: text after the mark in the series description; ``""`` for modality and model.
    """
    header, (now, zone) = reference.header, _now(reference.header)
    made = item(
        Modality=volume.modality,
        SeriesInstanceUID=generate_uid(prefix=None),
        SeriesNumber=_free_number(volume, reference),
        SeriesDescription=text(f"{MARK}: {_called(volume, description)}", 64),
        # Decay correction of PET refers to the series time, so that is kept; the content date is today.
        SeriesDate=value(header, "SeriesDate") or value(header, "StudyDate") or f"{now:%Y%m%d}",
        SeriesTime=value(header, "SeriesTime") or value(header, "StudyTime") or f"{now:%H%M%S}",
        FrameOfReferenceUID=value(header, "FrameOfReferenceUID") or generate_uid(prefix=None),
        **{f"{what}Date": f"{now:%Y%m%d}" for what in ("Content", "InstanceCreation")},
        **{f"{what}Time": f"{now:%H%M%S}" for what in ("Content", "InstanceCreation")},
        DerivationDescription=text(_derivation(volume, reference), 1024),
        ImageComments=text(f"{_mark(volume)}. {' '.join(map(str, volume.metadata.get('limits', [])))}", 1024),
        BurnedInAnnotation="NO",
        # By the standard, an image derived from a lossy one counts as lossy.
        LossyImageCompression=value(header, "LossyImageCompression") or "00",
        RelatedSeriesSequence=_related_series(volume, reference),
    )
    made.add_new(SYNTHETIC_DATA, "CS", "YES")
    carry_or_empty(header, made, _MUST_BE_THERE)
    carry(header, made, _CARRIED)
    made.update(zone)
    if len(str(made.StudyID or "")) > 16:
        made.StudyID = str(made.StudyID)[:16]  # the longest valid value; it is not an identifier
    made.update(_equipment(volume, header, now))
    return made


def _now(header: Dataset) -> tuple[datetime, Dataset]:
    """Return the current time in the time zone of the reference, if stated, and the tag that states the zone."""
    zone = Dataset()
    carry(header, zone, ["TimezoneOffsetFromUTC"])
    try:
        return datetime.now(datetime.strptime(str(zone.get("TimezoneOffsetFromUTC")), "%z").tzinfo), zone
    except ValueError:
        return datetime.now(), Dataset()


def references(frames: list[Frame], reference: Reference) -> Dataset:
    """Return the references from one derived slice to slices of the reference."""
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
    """Return a text that describes the content, the model and the source of the image."""
    facts = volume.metadata
    weights = f", weights SHA-256 {facts['weights_sha256']}" if facts.get("weights_sha256") else ""
    origin = (f", from the series {reference.series}" if reference.is_source else "") + _averaged(volume)
    limits = " ".join(map(str, facts.get("limits", [])))
    unit = f" in {volume.unit}" if volume.unit else ""
    content = (
        f"Errors, not an image of the patient: {ERROR_MAP.lower()} of synthetic" if volume.is_error_map else "Synthetic"
    )
    return f"{content} {_what(volume)}{unit} by MedSynth {__version__}{weights}{origin}. Not for diagnosis. {limits}"


def _model(volume: Volume) -> str:
    return " ".join(str(volume.metadata[key]) for key in ("model", "model_version") if volume.metadata.get(key))


def _what(volume: Volume) -> str:
    dose = volume.metadata.get("simulation", {}).get("dose_reduction_factor")
    if dose:
        return f"{volume.modality}, simulated 1/{dose:g} of the dose"
    model = _model(volume)
    return f"{volume.modality} ({model})" if model else volume.modality


def _mark(volume: Volume) -> str:
    return f"{MARK}: {ERROR_MAP}" if volume.is_error_map else MARK


def _called(volume: Volume, description: str) -> str:
    """Return what follows the mark in the series description."""
    called = description or _what(volume)
    return f"{ERROR_MAP} of {called}" if volume.is_error_map else called


def _free_number(volume: Volume, reference: Reference) -> int:
    own = series_number(reference.header)
    # A result and the map of its errors may be written to different folders, but are one study.
    first = _FIRST_ERROR_MAP if volume.is_error_map else 1
    number = own * 100 + first if 0 < own < _LARGEST_NUMBER // 100 else 9000 + first
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
    """Return the equipment that made the pixels (MedSynth) and that contributed to them (the scanner)."""
    ours = {
        "Manufacturer": "MedSynth",
        "ManufacturerModelName": text(_model(volume) or "MedSynth", 64),
        "SoftwareVersions": f"MedSynth {__version__}",
    }
    scanner = item(PurposeOfReferenceCodeSequence=code(_ACQUISITION_EQUIPMENT))
    carry(header, scanner, _PROGRAM)
    synthesizer = item(
        PurposeOfReferenceCodeSequence=code(SYNTHESIZING_EQUIPMENT),
        ContributionDateTime=f"{now:%Y%m%d%H%M%S}",
        ContributionDescription=text(f"{MARK}: {_called(volume, '')}", 1024),
        **ours,
    )
    earlier = _programs(header)
    chain = [*earlier, scanner, synthesizer] if "Manufacturer" in scanner else [*earlier, synthesizer]
    return item(**ours, ContributingEquipmentSequence=chain)


def _programs(header: Dataset) -> list[Dataset]:
    """Return what contributed to the image before, without persons, addresses and serial numbers."""
    kept = []
    for contribution in value(header, "ContributingEquipmentSequence") or []:
        made = Dataset()
        carry(contribution, made, ["PurposeOfReferenceCodeSequence", *_PROGRAM, "ContributionDateTime"])
        # An item must state the manufacturer and its purpose, which de-identified scans may lack.
        if "Manufacturer" in made and "PurposeOfReferenceCodeSequence" in made:
            kept.append(made)
    return kept


def _averaged(volume: Volume) -> str:
    """Return a text on the voxel size to which the input was averaged; "" if it was not."""
    spacing = volume.metadata.get("averaged_spacing")
    if not isinstance(spacing, list) or not all(isinstance(step, (int, float)) for step in spacing):
        return ""
    return f", averaged to voxels of {' x '.join(f'{step:.2f}' for step in spacing)} mm and interpolated back"
