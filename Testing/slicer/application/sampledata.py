"""The module ``SampleData``: registers data sets, and fetches them into a cache before loading."""

from __future__ import annotations

import hashlib
import types
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import slicer


@dataclass
class SampleDataSource:
    """A data set: what it is called, where its files come from, and the nodes they become."""

    sampleName: str
    uris: list[str]
    fileNames: list[str]
    nodeNames: list[str]
    checksums: list[str]
    thumbnailFileName: str
    loadFileType: list[str]
    loadFiles: list[bool]
    loadFileProperties: dict


class SampleDataLogic:
    """Keeps the registered data sets in ``slicer.modules.sampleDataSources``."""

    @staticmethod
    def registerCustomSampleDataSource(
        category="Custom", sampleName=None, uris=None, fileNames=None, nodeNames=None,
        customDownloader=None, thumbnailFileName=None, loadFileType="VolumeFile", loadFiles=None,
        loadFileProperties=None, checksums=None,
    ) -> None:  # fmt: skip
        assert customDownloader is None
        count = len(uris)
        source = SampleDataSource(
            sampleName, uris, fileNames, nodeNames, checksums, thumbnailFileName,
            [loadFileType] * count if isinstance(loadFileType, str) else loadFileType,
            loadFiles or [True] * count, loadFileProperties or {},
        )  # fmt: skip
        fields = (fileNames, nodeNames, checksums, source.loadFileType, source.loadFiles)
        if any(len(field) != count for field in fields):
            raise ValueError("All fields of sample data source must have the same length")
        if not hasattr(slicer.modules, "sampleDataSources"):
            slicer.modules.sampleDataSources = {}
        sources = slicer.modules.sampleDataSources.setdefault(category, [])
        if source not in sources:
            sources.append(source)

    def downloadSamples(self, sampleName: str) -> list:
        for sources in slicer.modules.sampleDataSources.values():
            for source in sources:
                if source.sampleName == sampleName:
                    return self.downloadFromSource(source)
        raise ValueError(f"no sample data named {sampleName}")

    def downloadFromSource(self, source: SampleDataSource) -> list:
        cache = Path(slicer.app.temporaryPath) / "cache"
        cache.mkdir(exist_ok=True)
        nodes = []
        fields = (source.uris, source.fileNames, source.nodeNames, source.checksums, source.loadFileType)
        for uri, file, name, checksum, kind in zip(*fields, strict=True):
            path = cache / file
            urllib.request.urlretrieve(uri, path)
            if checksum != "SHA256:" + hashlib.sha256(path.read_bytes()).hexdigest():
                raise ValueError(f"the checksum of {file} is wrong")
            properties = {"name": name, **source.loadFileProperties}
            nodes.append(slicer.util.loadNodeFromFile(str(path), kind, properties))
        return nodes


def module() -> types.ModuleType:
    """Return the module ``SampleData``."""
    sampleData = types.ModuleType("SampleData")
    sampleData.SampleDataLogic = SampleDataLogic
    sampleData.downloadSamples = lambda name: SampleDataLogic().downloadSamples(name)
    sampleData.downloadSample = lambda name: SampleDataLogic().downloadSamples(name)[0]
    return sampleData
