"""Conversion between MRML volume nodes and arrays: voxels, geometry, modality and unit."""

from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.ucum import pet_unit
from MedSynthLib import dicom_bridge as dicom
from MedSynthLib import provenance

# Codes that Slicer's DICOM readers set on volume nodes: (code, scheme, meaning).
QUANTITIES = {
    "HU": ("112031", "DCM", "Attenuation Coefficient"),
    "SUVbw": ("126400", "DCM", "Standardized Uptake Value"),
    "Bq/mL": ("110821", "DCM", "Nuclear Medicine Tomographic Activity"),
    "1": ("110852", "DCM", "MR signal intensity"),
}
UNITS = {
    "HU": ("[hnsf'U]", "UCUM", "Hounsfield unit"),
    "SUVbw": ("{SUVbw}g/ml", "UCUM", "Standardized Uptake Value body weight"),
    "Bq/mL": ("Bq/ml", "UCUM", "Becquerels/milliliter"),
    "1": ("1", "UCUM", "no units"),
}
UNIT_ATTRIBUTE = "DICOM.MeasurementUnitsCodeValue"
UNIT_OF_CODE = {"[hnsf'u]": "HU", "1": ""}  # "no units", which Slicer's reader sets for every MR
MODALITY_OF_QUANTITY = {
    "112031": "CT", "110852": "MR", "110821": "PT",
    **dict.fromkeys(("126400", "126401", "126402", "126403", "126404", "126405", "126406"), "PT"),  # kinds of SUV
}  # fmt: skip


@dataclass(frozen=True)
class Geometry:
    """Geometry of a volume node at one moment, without parent transforms.

    Attributes:
        shape: number of voxels (k, j, i).
        ijkToRAS: matrix from (i, j, k) to RAS millimetres.
    """

    shape: tuple[int, ...]
    ijkToRAS: vtk.vtkMatrix4x4

    def asLists(self) -> list[list[float]]:
        """Return the matrix from (i, j, k) to RAS millimetres as four rows."""
        return slicer.util.arrayFromVTKMatrix(self.ijkToRAS).tolist()


def geometryOf(volumeNode) -> Geometry:
    """Return the geometry of a volume node without its parent transforms."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return Geometry(tuple(reversed(volumeNode.GetImageData().GetDimensions())), matrix)


def voxelsOf(volumeNode) -> np.ndarray:
    """Return the voxels (k, j, i) of a scalar volume node as a view of its memory.

    Raises:
        MedSynthError: the node is not a scalar volume, or it has no voxels.
    """
    if volumeNode is None or not volumeNode.IsA("vtkMRMLScalarVolumeNode"):
        raise MedSynthError(_("Choose a volume as input."))
    image = volumeNode.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        raise MedSynthError(
            _("The volume {name} has no voxels; load its image first.").format(name=volumeNode.GetName())
        )
    components = image.GetNumberOfScalarComponents()
    if components != 1:
        raise MedSynthError(
            _(
                "The volume {name} has {count} values in each voxel (color or vectors), but one is needed; "
                "convert it to a scalar volume."
            ).format(name=volumeNode.GetName(), count=components)
        )
    return slicer.util.arrayFromVolume(volumeNode)


def isPlain(volumeNode) -> bool:
    """Return whether a node is a scalar volume itself: not a label map, nor a volume of colors or vectors."""
    return volumeNode.GetClassName() == "vtkMRMLScalarVolumeNode"


def unitOf(volumeNode) -> str:
    """Return the unit of the voxel values, by the node or else by its DICOM series; "" if neither states it.

    Units have the names that MedSynth uses, unknown ones those of the node or of DICOM.
    """
    entry = volumeNode.GetVoxelValueUnits()
    # Slicer's reader of PET in SUV also states the unit in an attribute; older versions only there.
    stated = entry.GetCodeValue() if entry else volumeNode.GetAttribute(UNIT_ATTRIBUTE)
    if not stated:
        return dicom.unitOf(volumeNode)
    pet = pet_unit(stated)
    return pet.unit if pet else UNIT_OF_CODE.get(stated.lower(), stated)


def modalityOf(volumeNode) -> str:
    """Return the DICOM modality, by the DICOM database or else by the node's quantity; "" if neither states it."""
    stated = dicom.modalityOf(volumeNode)
    if stated:
        return stated
    entry = volumeNode.GetVoxelValueQuantity()
    return MODALITY_OF_QUANTITY.get(entry.GetCodeValue(), "") if entry else ""


def stateOf(volumeNode) -> tuple:
    """Return a key that changes with a node's voxels, geometry, modality, unit or provenance; () for None."""
    if volumeNode is None:
        return ()
    image = volumeNode.GetImageData()
    if image is None:
        return (volumeNode.GetID(),)
    matrix = geometryOf(volumeNode).asLists()
    said = (modalityOf(volumeNode), unitOf(volumeNode))
    known = (provenance.isSynthetic(volumeNode), provenance.suvRefusal(volumeNode))
    return volumeNode.GetID(), image.GetMTime(), str(matrix), *said, *known


def doubtAboutInput(volumeNode, stateBefore: tuple) -> str:
    """Return in a sentence that a node was changed while a job worked on what it had been; "" if it was not.

    Args:
        volumeNode: input of the job.
        stateBefore: `stateOf` the node when the job was started.
    """
    if stateOf(volumeNode)[:3] == stateBefore[:3]:  # voxels and geometry
        return ""
    return _("The volume {name} was changed meanwhile; the result shows it as it was at the start.").format(
        name=volumeNode.GetName()
    )


def coreVolume(volumeNode):
    """Return the node's voxels, geometry, modality and unit as a ``medsynth_core.volume.Volume``.

    Its metadata have the UIDs of its DICOM study and series, ``synthetic`` and ``error_map`` if it is one, and
    ``suv_refused`` if its DICOM tags do not allow conversion to SUV, as far as that is known.

    Raises:
        MedSynthError: the node is not a scalar volume with an invertible geometry.
    """
    from medsynth_core.volume import Volume

    voxels = voxelsOf(volumeNode)
    matrix = np.array(geometryOf(volumeNode).asLists())
    known = {
        "synthetic": provenance.isSynthetic(volumeNode),
        "error_map": provenance.isErrorMap(volumeNode),
        "suv_refused": provenance.suvRefusal(volumeNode),
    }
    facts = {**dicom.seriesFacts(volumeNode), **{key: value for key, value in known.items() if value}}
    return Volume(voxels, matrix, modalityOf(volumeNode), unitOf(volumeNode), facts)


def volumeBeside(volumeNode, inputVolume):
    """Return a node's volume as `coreVolume` does, placed relative to another node as the scene shows both.

    Parent transforms count as far as they differ: a result is computed in the coordinates of the other node itself,
    and gets its parent transform.

    Args:
        volumeNode: further input of a model.
        inputVolume: node of the first input.

    Raises:
        MedSynthError: the node is not a scalar volume, or a transform between the two is not linear or not invertible.
    """
    volume = coreVolume(volumeNode)
    return volume.replace(ijk_to_ras=between(volumeNode, inputVolume) @ volume.ijk_to_ras)


def between(node, inputVolume) -> np.ndarray:
    """Return the matrix from a node's own RAS coordinates to those of another node (4×4, mm), as the scene shows both.

    Raises:
        MedSynthError: a transform between the two is not linear or not invertible.
    """
    if node.GetParentTransformNode() is inputVolume.GetParentTransformNode():
        return np.eye(4)
    return np.linalg.inv(toWorld(inputVolume)) @ toWorld(node)


def toWorld(volumeNode) -> np.ndarray:
    """Return the matrix from a node's own RAS coordinates to those of the world (4×4, mm).

    Raises:
        MedSynthError: the node has a parent transform that is not linear or not invertible.
    """
    parent, matrix = volumeNode.GetParentTransformNode(), vtk.vtkMatrix4x4()
    if parent is not None:
        if not parent.IsTransformToWorldLinear():
            raise MedSynthError(
                _("The volume {name} has a nonlinear transform; harden it first.").format(name=volumeNode.GetName())
            )
        parent.GetMatrixTransformToWorld(matrix)
    found = slicer.util.arrayFromVTKMatrix(matrix)
    if not np.isfinite(found).all() or np.linalg.matrix_rank(found[:3, :3]) < 3:
        raise MedSynthError(
            _(
                "The volume {name} has a transform that makes it flat, such as a scale of 0; correct the transform or "
                "remove it."
            ).format(name=volumeNode.GetName())
        )
    return found


def placeOf(volumeNode, inputVolume) -> str:
    """Return a key that changes when parent transforms move one of two nodes and not the other."""
    if inputVolume is None or volumeNode.GetParentTransformNode() is inputVolume.GetParentTransformNode():
        return ""
    return str([worldPlaceOf(node) for node in (volumeNode, inputVolume)])


def worldPlaceOf(node) -> tuple[str, str]:
    """Return a key that changes when a node gets another parent transform, or when its transforms move it."""
    try:
        place = str(toWorld(node).tolist())
    except MedSynthError as problem:
        place = problem.message
    return node.GetTransformNodeID() or "", place


def addResultVolume(
    inputVolume, geometry: Geometry, voxels: np.ndarray, baseName: str, nodeClass: str = "vtkMRMLScalarVolumeNode"
):
    """Add a volume node for a result beside its input; if that fails nothing is left in the scene.

    Args:
        inputVolume: node whose parent transform and place in the subject hierarchy the result shares.
        geometry: grid of the result.
        voxels: array (k, j, i) of the geometry's shape.
        baseName: name of the node, made unique in the scene.
        nodeClass: of the node.
    """
    name = slicer.mrmlScene.GenerateUniqueName(baseName)
    node = slicer.mrmlScene.AddNewNodeByClass(nodeClass, name)
    try:
        fillResultVolume(node, inputVolume, geometry, voxels)
    except BaseException:
        removeVolume(node)
        raise
    return node


def fillResultVolume(node, inputVolume, geometry: Geometry, voxels: np.ndarray) -> None:
    """Replace a node's voxels, geometry, parent transform and place in the subject hierarchy."""
    setVoxels(node, geometry, voxels)
    node.SetAndObserveTransformNodeID(inputVolume.GetTransformNodeID())
    placeBeside(node, inputVolume)


def setVoxels(node, geometry: Geometry, voxels: np.ndarray) -> None:
    """Replace a node's voxels and geometry."""
    slicer.util.updateVolumeFromArray(node, voxels)
    node.SetIJKToRASMatrix(geometry.ijkToRAS)
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()


def placeBeside(node, inputVolume) -> None:
    """Move a node to the study or folder of the subject hierarchy in which the input lies."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    inputItem = hierarchy.GetItemByDataNode(inputVolume)
    if not inputItem:
        return
    placeIn(node, hierarchy.GetItemParent(inputItem))


def placeIn(node, parent: int) -> None:
    """Move a node to a study or folder of the subject hierarchy."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, parent)
    else:
        hierarchy.CreateItem(parent, node)


def setUnit(node, unit: str) -> None:
    """Set quantity and unit of the voxel values as coded entries; an unknown unit clears them."""
    node.SetVoxelValueQuantity(_codedEntry(QUANTITIES.get(unit)))
    node.SetVoxelValueUnits(_codedEntry(UNITS.get(unit)))


def _codedEntry(code: "tuple[str, str, str] | None"):
    if code is None:
        return None
    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning(*code)
    return entry


def removeVolume(node) -> None:
    """Remove a volume node and its display node."""
    displayNode = node.GetDisplayNode()
    slicer.mrmlScene.RemoveNode(node)
    if displayNode is not None:
        slicer.mrmlScene.RemoveNode(displayNode)
