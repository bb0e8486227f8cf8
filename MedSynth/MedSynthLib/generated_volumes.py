"""Generated cases as volumes in folders of the subject hierarchy."""

from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from medsynth_core.modality import PICTURE_MODALITIES
from MedSynthLib import provenance
from MedSynthLib import volume_bridge as bridge
from MedSynthLib.display import FOREGROUND_OPACITY, applyCustomaryDisplay

# Names of the label maps of a case; the others are images.
STRUCTURE, LESION = "structure", "lesion"
LABELS = (STRUCTURE, LESION)
CENTRE = "lesion_centre"


def addCases(done: dict[str, Any], inputVolume=None) -> list[dict[str, Any]]:
    """Add volumes for generated cases in a new folder, with a folder for each case if there are several.

    If that fails nothing is left in the scene.

    Args:
        done: answer of the worker.
        inputVolume: the volume whose structure they have; the folder is beside it, and the volumes have its parent
            transform. None for cases from noise.

    Returns:
        For each case its volume nodes by name: ``structure`` and ``lesion`` if it has them, and the images by role.
    """
    hierarchy = _hierarchy()
    folders = [hierarchy.CreateFolderItem(_parentOf(inputVolume), _folderName(done))]
    cases: list[dict[str, Any]] = []
    try:
        for number, case in enumerate(done["cases"], start=1):
            if len(done["cases"]) > 1:
                folders.append(hierarchy.CreateFolderItem(folders[0], _("Case {number}").format(number=number)))
            cases.append({})
            for name in case["volumes"]:
                cases[-1][name] = _addVolume(case, name, inputVolume)
                bridge.placeIn(cases[-1][name], folders[-1])
    except BaseException:
        _removeAll(cases, folders)
        raise
    return cases


def _removeAll(cases: list[dict[str, Any]], folders: list[int]) -> None:
    """Remove volumes and folders, the inner ones first.

    One by one: to remove a folder with all in it does not end where a node in it has been removed from the scene.
    """
    hierarchy = _hierarchy()
    for node in (node for case in cases for node in case.values()):
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.RemoveItem(item, False, False)
        bridge.removeVolume(node)
    for folder in reversed(folders):
        hierarchy.RemoveItem(folder, False, False)


def folderOf(cases: list[dict[str, Any]]) -> str:
    """Return the name of the folder that `addCases` has made."""
    hierarchy = _hierarchy()
    item = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(next(iter(cases[0].values()))))
    return hierarchy.GetItemName(item if len(cases) == 1 else hierarchy.GetItemParent(item))


def showCase(case: dict[str, Any]) -> None:
    """Show the first images of a case in all slice views, with the outline of its lesion and at its centre."""
    images, lesion = [node for name, node in case.items() if name not in LABELS], case.get(LESION)
    slicer.util.setSliceViewerLayers(
        background=images[0],
        foreground=images[1] if len(images) > 1 else None,
        label=lesion,
        foregroundOpacity=FOREGROUND_OPACITY,
        labelOpacity=1.0,
        fit=True,
    )
    if lesion is None:
        return
    place = [0.0, 0.0, 0.0]
    lesion.TransformPointToWorld(provenance.valueOf(lesion, CENTRE, list), place)  # whatever its transform is
    for view in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        view.SetUseLabelOutline(True)
        view.JumpSliceByCentering(*place)


def _addVolume(case: dict[str, Any], name: str, inputVolume):
    told = case["volumes"][name]
    kind = "vtkMRMLLabelMapVolumeNode" if name in LABELS else "vtkMRMLScalarVolumeNode"
    node = slicer.mrmlScene.AddNewNodeByClass(kind, slicer.mrmlScene.GenerateUniqueName(_nodeName(name, told)))
    try:
        voxels = np.load(told["voxels"], allow_pickle=False)
        matrix = slicer.util.vtkMatrixFromArray(np.array(case["ijk_to_ras"]))
        bridge.setVoxels(node, bridge.Geometry(voxels.shape, matrix), voxels)
        facts = {**told["metadata"], **({CENTRE: case[CENTRE]} if name == LESION else {})}
        provenance.setProvenance(node, inputVolume, facts)
        if inputVolume is not None:
            node.SetAndObserveTransformNodeID(inputVolume.GetTransformNodeID())
        if name not in LABELS:
            # Without a unit, values of pictures would be those of an MR.
            unit = "" if told["modality"] in PICTURE_MODALITIES else told["unit"]
            bridge.setUnit(node, unit)
            applyCustomaryDisplay(node, unit)
    except BaseException:
        bridge.removeVolume(node)
        raise
    return node


def _nodeName(name: str, told: dict[str, Any]) -> str:
    words = {
        STRUCTURE: _("Structure seed {seed} case {number}"),
        LESION: _("Lesion seed {seed} case {number}"),
    }.get(name, _("Synthetic {role} seed {seed} case {number}"))
    facts = told["metadata"]
    found = words.format(role=name, seed=facts["random_seed"], number=facts["case"])
    return f"{found} {facts['class']}" if "class" in facts else found


def _folderName(done: dict[str, Any]) -> str:
    return _("{model} seed {seed}").format(model=done["model"], seed=done["seed"])


def _hierarchy():
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def _parentOf(inputVolume) -> int:
    """Return the item in which a volume lies; the scene's own without one."""
    hierarchy = _hierarchy()
    item = hierarchy.GetItemByDataNode(inputVolume) if inputVolume is not None else 0
    return hierarchy.GetItemParent(item) if item else hierarchy.GetSceneItemID()
