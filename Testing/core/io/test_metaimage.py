"""MetaImage files are read as ITK reads them; what it fills with noise or invents is refused."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from medsynth_core.errors import MedSynthError
from medsynth_core.io.reading import read_volume
from medsynth_core.volume import Volume

VOXELS = np.arange(24, dtype="<i2")
HEADER = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": "0 1 0 0 0 1 1 0 0",
    "Offset": "1 2 3",
    "ElementSpacing": "1 2 3.5",
    "DimSize": "2 3 4",
    "ElementType": "MET_SHORT",
}


def metaimage(folder: Path, data: bytes = VOXELS.tobytes(), local: bool = True, **changes: str | None) -> Path:
    """Write a MetaImage, in one file or two; a field that is None is left out."""
    fields = {**HEADER, **changes, "ElementDataFile": changes.get("ElementDataFile", "LOCAL" if local else "v.raw")}
    head = "".join(f"{name} = {value}\n" for name, value in fields.items() if value is not None).encode()
    path = folder / ("v.mha" if local else "v.mhd")
    path.write_bytes(head + (data if local else b""))
    (folder / "v.raw").write_bytes(data)
    return path


PACKED = zlib.compress(VOXELS.tobytes())
READ_ALIKE = {
    "as it is": (b"", {}),
    "no statement on bytes": (b"", {"BinaryData": None, "BinaryDataByteOrderMSB": None}),
    "big-endian": (b"", {"BinaryDataByteOrderMSB": "True"}),
    "big-endian by another name": (b"", {"BinaryDataByteOrderMSB": None, "ElementByteOrderMSB": "T"}),
    "a header of its own": (bytes(10), {"HeaderSize": "10"}),
    "voxels at the end": (bytes(10), {"HeaderSize": "-1"}),
    "another name of the origin": (b"", {"Offset": None, "Position": "4 5 6"}),
    "another name of the direction": (b"", {"TransformMatrix": None, "Orientation": "0 0 1 1 0 0 0 1 0"}),
    "another name of the spacing": (b"", {"ElementSpacing": None, "ElementSize": "2 3 4"}),
    "spacing and size": (b"", {"ElementSize": "7 7 7"}),
    "sheared": (b"", {"TransformMatrix": "1 0.5 0 0 1 0 0 0 1"}),
    "one channel": (b"", {"ElementNumberOfChannels": "1"}),
}


@pytest.mark.parametrize("name", READ_ALIKE)
@pytest.mark.parametrize("local", [True, False])
def test_every_form_of_the_header_is_read_as_itk_reads_it(tmp_path, name, local):
    before, changes = READ_ALIKE[name]
    # In one file, HeaderSize would count from its start.
    path = metaimage(tmp_path, before + VOXELS.tobytes(), local and not before, **changes)
    ours, itk = read_volume(path), Volume.from_sitk(sitk.ReadImage(str(path)))
    assert np.array_equal(ours.voxels, itk.voxels)
    assert np.array_equal(ours.ijk_to_ras, itk.ijk_to_ras)


@pytest.mark.parametrize("local", [True, False])
def test_packed_voxels(tmp_path, local):
    path = metaimage(tmp_path, PACKED, local, CompressedData="True", CompressedDataSize=str(len(PACKED)))
    assert np.array_equal(read_volume(path).voxels.ravel(), VOXELS)
    path = metaimage(tmp_path, PACKED, local=False, CompressedData="True")
    assert np.array_equal(read_volume(path).voxels.ravel(), VOXELS)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (PACKED, None),  # ITK shows noise
        (PACKED, len(PACKED) - 5),
        (PACKED, len(PACKED) + 5),
        (PACKED[:-3], len(PACKED) - 3),
        (PACKED[:-1] + b"\0", len(PACKED)),  # the checksum
        (zlib.compress(VOXELS[:20].tobytes()), 0),
        (zlib.compress(np.arange(30, dtype="<i2").tobytes()), 0),
        (VOXELS.tobytes(), 48),  # not packed
        (b"", 0),
    ],
)
def test_packed_voxels_that_are_damaged_are_refused(tmp_path, data, size):
    stated = None if size is None else str(size or len(data))
    with pytest.raises(MedSynthError, match="damaged"):
        read_volume(metaimage(tmp_path, data, CompressedData="True", CompressedDataSize=stated))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"NDims": "65535"}, "65535 dimensions"),
        ({"NDims": "65535 3"}, "damaged"),
        ({"NDims": "4"}, "4 dimensions"),
        ({"NDims": None}, "damaged"),
        ({"DimSize": "2 3"}, "damaged"),
        ({"DimSize": "2 3 4 5"}, "damaged"),
        ({"DimSize": "-2 3 4"}, "damaged"),
        ({"DimSize": "2 3 0"}, "damaged"),
        ({"DimSize": "99999999999 99999999999 99999999999"}, "ends before the last voxel"),
        ({"DimSize": "2 3 5"}, "ends before the last voxel"),
        ({"ElementType": "MET_OTHER"}, "damaged"),
        ({"ElementType": "MET_FLOAT"}, "ends before the last voxel"),
        ({"ElementNumberOfChannels": "3"}, "3 values per voxel"),
        ({"ElementSpacing": "1 2"}, "not 3 numbers"),
        ({"ElementSpacing": "1 2 nan"}, "not 3 numbers"),
        ({"ElementSpacing": "1 2 0"}, "voxel size is 1 × 2 × 0 mm"),
        ({"ElementSpacing": "-1 2 3"}, "voxel size is -1 × 2 × 3 mm"),
        ({"Offset": "1 2 1e999"}, "not 3 numbers"),
        ({"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, "singular"),
        ({"TransformMatrix": "1 0 0"}, "not 9 numbers"),
        ({"Position": "1 2 4"}, "states the position of its voxels in the patient twice"),
        ({"Orientation": "1 0 0 0 1 0 0 0 1"}, "twice"),
        ({"BinaryData": "False"}, "as text"),
        ({"ElementDataFile": "LIST"}, "in several files"),
        ({"ElementDataFile": "slice%03d.raw 1 4 1"}, "in several files"),
        ({"ElementDataFile": "other.raw"}, r"cannot be read: .*other\.raw, which holds its voxels, is missing"),
        ({"HeaderSize": "1000"}, "ends before the last voxel"),
        ({"HeaderSize": "many"}, "damaged"),
        ({"CompressedData": "1e-7"}, "damaged"),  # true to ITK, by its first letter
        ({"BinaryData": "yes"}, "damaged"),
        ({"ElementDataFile": ""}, "damaged"),
        ({"ElementDataFile": "v\0.raw"}, "damaged"),
        ({"Two words": "1"}, "damaged"),
    ],
)
def test_a_wrong_header_is_refused_for_its_reason(tmp_path, changes, reason):
    with pytest.raises(MedSynthError, match=reason):
        read_volume(metaimage(tmp_path, local=False, **changes))


def test_a_field_that_is_stated_twice_is_refused(tmp_path):
    path = metaimage(tmp_path)
    path.write_bytes(b"NDims = 3\n" + path.read_bytes())
    with pytest.raises(MedSynthError, match="states 'NDims' twice"):
        read_volume(path)


def test_a_name_without_a_value_is_refused(tmp_path):
    """ITK takes the next line for its value, and so misses the field there."""
    path = metaimage(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"ElementSpacing", b"Comment\nElementSpacing"))
    with pytest.raises(MedSynthError, match="damaged"):
        read_volume(path)


@pytest.mark.parametrize("unit", ["um", "cm", "m", "inch"])
def test_another_unit_of_length_is_refused(tmp_path, unit):
    with pytest.raises(MedSynthError, match=r"'DistanceUnits' of its header\), but they are read in mm"):
        read_volume(metaimage(tmp_path, DistanceUnits=unit))


@pytest.mark.parametrize(
    "changes", [{"ElementToIntensityFunctionSlope": "2"}, {"ElementToIntensityFunctionOffset": "-1024"}]
)
def test_a_scale_of_the_values_is_refused(tmp_path, changes):
    with pytest.raises(MedSynthError, match="have to be rescaled by 'ElementToIntensityFunction"):
        read_volume(metaimage(tmp_path, **changes))
    with pytest.raises(MedSynthError, match="cannot be read"):
        read_volume(metaimage(tmp_path, **dict.fromkeys(changes, "two")))


@pytest.mark.parametrize("unit", ["mm", "MM", "millimeter", "", "?"])
def test_millimetres_and_a_scale_that_changes_nothing_are_read(tmp_path, unit):
    scale = {"ElementToIntensityFunctionSlope": "1.0", "ElementToIntensityFunctionOffset": "0"}
    volume = read_volume(metaimage(tmp_path, DistanceUnits=unit, **scale))
    assert np.array_equal(volume.voxels.ravel(), VOXELS)
