"""The sample case that comes with MedSynth, for Slicer's module Sample Data."""

from pathlib import Path

from medsynth_core.resources import resource_folder

CATEGORY = "MedSynth"
SAMPLE_NAME = "MedSynthSarcoma"
# File, node name and SHA-256; by the checksum Slicer replaces cached files of an older version.
CASE = (
    ("ct.nii.gz", "Sarcoma CT", "90ce11d4d41fae192a910ce1238593a107082dda7f1d84d6f27922c470a12ef9"),
    ("pet.nii.gz", "Sarcoma PET", "937694677f4b5f658d4c7013f844ef497c08212461a8e11164c6c3d24443cb6b"),
    ("mr_t1.nii.gz", "Sarcoma MR T1", "7f38ae4d9434d394303418d0af1fb8afe6ba5b9e3a71bebb71f27a61873f7866"),
    ("lesion.nii.gz", "Sarcoma lesion", "5612a8eacf330353e7836297879ad8357a880906fd46d4ff99744a61d18e762f"),
)


def registerSampleCase(moduleFolder: Path) -> None:
    """Add the sample case to Sample Data. Its files are part of MedSynth, so that no network is needed.

    Args:
        moduleFolder: folder of the module MedSynth, with the thumbnail of the sample case.
    """
    import SampleData

    folder = resource_folder() / "SampleCase"

    files, names, checksums = zip(*CASE, strict=True)
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=SAMPLE_NAME,
        uris=[(folder / file).as_uri() for file in files],
        fileNames=[f"{SAMPLE_NAME}-{file}" for file in files],
        nodeNames=list(names),
        checksums=[f"SHA256:{checksum}" for checksum in checksums],
        loadFileType=["VolumeFile", "VolumeFile", "VolumeFile", "SegmentationFile"],
        thumbnailFileName=str(moduleFolder / "Resources" / "Icons" / f"{SAMPLE_NAME}.png"),
    )
