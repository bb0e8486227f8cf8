"""Pictures of what a user would see: panels and slice views, without a display."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from vtkmodules.util.numpy_support import vtk_to_numpy

VIEW_COLORS = {"Red": "#f34a33", "Yellow": "#edd54c", "Green": "#6eb04b"}
PLOT_COLOR = "#c4c4c4"
BAR_HEIGHT = 18


def panelImage(widget, width: int = 440) -> QtGui.QImage:
    """Return a module's panel as it is drawn on the screen, no higher than its content."""
    top = widget.parent
    top.setFixedWidth(width)
    top.show()
    for _ in range(6):  # word-wrapped labels in nested layouts settle one layout after the other
        slicer.app.processEvents()
        height = QtWidgets.QWidget.heightForWidth(top, width)  # -1 while no label with several lines is shown
        top.setFixedHeight(height if height > 0 else QtWidgets.QWidget.sizeHint(top).height())
    slicer.app.processEvents()
    return top.grab().toImage()


def sliceViewImage(name: str, size: int = 400, caption: str = "") -> QtGui.QImage:
    """Return what Slicer shows in a slice view, under the view's colored bar with a caption."""
    manager = slicer.app.layoutManager()
    logic = manager.mrmlSliceLogics().GetItemAsObject(manager.sliceViewNames().index(name))
    logic.GetSliceNode().SetDimensions(size, size, 1)
    logic.FitSliceToBackground()
    logic.UpdatePipeline()
    blended = logic.GetBlend()
    blended.Update()
    output = blended.GetOutput()
    width, height, _ = output.GetDimensions()
    pixels = vtk_to_numpy(output.GetPointData().GetScalars()).reshape(height, width, -1)[::-1, :, :3]
    pixels = np.ascontiguousarray(pixels, np.uint8)
    picture = QtGui.QImage(pixels.data, width, height, 3 * width, QtGui.QImage.Format.Format_RGB888)
    return _withBar(picture, VIEW_COLORS[name], caption)


def sliceViewsImage(caption: str, size: int = 400) -> QtGui.QImage:
    """Return the three slice views side by side."""
    names = slicer.app.layoutManager().sliceViewNames()
    return sideBySide([sliceViewImage(name, size, caption) for name in names])


def plotViewImage(name: str, size: tuple[int, int] = (440, 260), caption: str = "") -> QtGui.QImage:
    """Return the chart that Slicer shows in a plot view, drawn with VTK's charts as Slicer does."""
    viewNode = slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLPlotViewNode")
    chartNode = slicer.mrmlScene.GetNodeByID(viewNode.GetPlotChartNodeID())
    chart = vtk.vtkChartXY()
    chart.SetTitle(chartNode.GetTitle())
    chart.SetShowLegend(chartNode.GetLegendVisibility())
    chart.GetAxis(vtk.vtkAxis.BOTTOM).SetTitle(chartNode.GetXAxisTitle())
    chart.GetAxis(vtk.vtkAxis.LEFT).SetTitle(chartNode.GetYAxisTitle())
    for number in range(chartNode.GetNumberOfPlotSeriesNodes()):
        _addPlot(chart, chartNode.GetNthPlotSeriesNode(number))
    view = vtk.vtkContextView()
    window = view.GetRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(0)
    window.SetSize(*size)
    view.GetScene().AddItem(chart)
    view.Render()
    taken = vtk.vtkWindowToImageFilter()
    taken.SetInput(window)
    taken.ReadFrontBufferOff()
    taken.Update()
    pixels = vtk_to_numpy(taken.GetOutput().GetPointData().GetScalars()).reshape(size[1], size[0], -1)[::-1, :, :3]
    pixels = np.ascontiguousarray(pixels, np.uint8)
    picture = QtGui.QImage(pixels.data, *size, 3 * size[0], QtGui.QImage.Format.Format_RGB888)
    return _withBar(picture, PLOT_COLOR, caption)


def _addPlot(chart: vtk.vtkChartXY, series) -> None:
    plot = chart.AddPlot(vtk.vtkChart.LINE)
    plot.SetInputData(series.GetTableNode().GetTable(), series.GetXColumnName(), series.GetYColumnName())
    plot.SetLabel(series.GetName())
    plot.SetColorF(*series.GetColor())
    plot.SetWidth(series.GetLineWidth())
    if series.GetMarkerStyle() != series.MarkerStyleNone:
        plot.SetMarkerStyle(series.GetMarkerStyle())
        plot.SetMarkerSize(series.GetMarkerSize())


def sideBySide(images: list[QtGui.QImage], gap: int = 6, background: str = "white") -> QtGui.QImage:
    """Return images in a row, aligned at the top."""
    width = sum(image.width() for image in images) + gap * (len(images) - 1)
    canvas = QtGui.QImage(width, max(image.height() for image in images), QtGui.QImage.Format.Format_RGB32)
    canvas.fill(QtGui.QColor(background))
    painter, left = QtGui.QPainter(canvas), 0
    for image in images:
        painter.drawImage(left, 0, image)
        left += image.width() + gap
    painter.end()
    return canvas


def stacked(images: list[QtGui.QImage], gap: int = 6, background: str = "white") -> QtGui.QImage:
    """Return images below each other, aligned at the left."""
    height = sum(image.height() for image in images) + gap * (len(images) - 1)
    canvas = QtGui.QImage(max(image.width() for image in images), height, QtGui.QImage.Format.Format_RGB32)
    canvas.fill(QtGui.QColor(background))
    painter, top = QtGui.QPainter(canvas), 0
    for image in images:
        painter.drawImage(0, top, image)
        top += image.height() + gap
    painter.end()
    return canvas


def subjectHierarchyImage(width: int, height: int, caption: str = "Subject hierarchy") -> QtGui.QImage:
    """Return the subject hierarchy as a tree with all its branches open, as Slicer's module Data shows it."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    tree = QtWidgets.QTreeWidget()
    tree.setHeaderHidden(True)

    def add(item: int, to) -> None:
        children = vtk.vtkIdList()
        hierarchy.GetItemChildren(item, children)
        for number in range(children.GetNumberOfIds()):
            child = children.GetId(number)
            add(child, QtWidgets.QTreeWidgetItem(to, [hierarchy.GetItemName(child)]))

    add(hierarchy.GetSceneItemID(), tree)
    tree.expandAll()
    tree.setFixedSize(width, height - BAR_HEIGHT)
    return _withBar(tree.grab().toImage(), PLOT_COLOR, caption)


def centerViewsOn(ras: tuple[float, float, float]) -> None:
    """Move all slice views to a point, as a click with Shift pressed does."""
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        node.JumpSliceByCentering(*ras)


def save(image: QtGui.QImage, path: Path) -> None:
    """Write a picture as PNG."""
    if not image.save(str(path)):
        raise OSError(f"{path} cannot be written")


def _withBar(picture: QtGui.QImage, color: str, caption: str) -> QtGui.QImage:
    canvas = QtGui.QImage(picture.width(), picture.height() + BAR_HEIGHT, QtGui.QImage.Format.Format_RGB32)
    canvas.fill(QtGui.QColor(color))
    painter = QtGui.QPainter(canvas)
    painter.drawImage(QtCore.QPoint(0, BAR_HEIGHT), picture)
    painter.setFont(QtWidgets.QApplication.font())
    bar = QtCore.QRect(6, 0, picture.width() - 12, BAR_HEIGHT)
    painter.drawText(bar, QtCore.Qt.AlignmentFlag.AlignVCenter, caption)
    painter.end()
    return canvas
