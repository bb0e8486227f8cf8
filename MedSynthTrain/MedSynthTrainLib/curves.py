"""The curves of a training in Slicer's plot views: losses on the left, a validation metric on the right."""

from typing import Any

import numpy as np
import slicer
import vtk
from MedSynthLib.parameter_gui import weakly
from slicer.i18n import tr as _

from MedSynthTrainLib.layout import LAYOUT_ID, LOSS_VIEW, VALIDATION_VIEW, describeLayout
from MedSynthTrainLib.publishing import TITLES

# Distinguishable with red-green colour blindness (Okabe and Ito).
COLORS = ((0.0, 0.45, 0.70), (0.84, 0.37, 0.0), (0.0, 0.62, 0.45), (0.80, 0.47, 0.65), (0.90, 0.62, 0.0))
# Attribute of the nodes that are made here.
OURS = "MedSynthTrain.Curves"
# Logged with the losses, but not losses.
NO_LOSSES = ("learning_rate", "seconds")


class Curves:
    """Keeps the tables, series and charts of a run in the scene up to date, and shows them in a layout of their own."""

    def __init__(self) -> None:
        self._before: int | None = None
        self._layout: tuple[Any, int] | None = None
        self._leftOut = False
        self._nodes: dict[str, str] = {}

    def update(self, metrics: dict[tuple[str, str], dict[int, float]], metric: str) -> None:
        """Draw what a run has logged.

        Args:
            metrics: (split, name) → epoch → value.
            metric: validation metric to draw on the right: one of `publishing.TITLES`.
        """
        train = {name: values for (split, name), values in metrics.items() if split == "train"}
        total = train.get("loss", {})
        # A loss that is the only term equals the total.
        parts = {name: values for name, values in train.items() if name not in NO_LOSSES and values != total}
        losses = {"loss": total, **parts} if total else parts
        self._draw(LOSS_VIEW, _("Training loss"), _("Loss"), losses)
        label = TITLES[metric]
        # Epochs that train the coarse stage alone are logged under a split of their own.
        names = {"val": label, "coarse": _("{metric}, coarse stage").format(metric=label)}
        scores = {name: metrics[split, metric] for split, name in names.items() if metrics.get((split, metric))}
        self._draw(VALIDATION_VIEW, _("Validation"), label, scores)
        if self.shown:
            self._assign()

    @property
    def shown(self) -> bool:
        """Whether the views show the curves."""
        manager = slicer.app.layoutManager()
        return manager is not None and manager.layout == LAYOUT_ID

    def show(self) -> None:
        """Switch to the layout with the curves; does nothing without a main window."""
        manager = slicer.app.layoutManager()
        if manager is None or self.shown:
            return
        self._before = manager.layout
        describeLayout()
        manager.setLayout(LAYOUT_ID)
        self._assign()

    def hide(self) -> None:
        """Switch back to the previous layout; to four views if the curves were shown by a scene that was opened."""
        if self.shown:
            layout = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView if self._before is None else self._before
            slicer.app.layoutManager().setLayout(layout)

    def close(self) -> None:
        """Switch back to the previous layout, and observe nothing any more."""
        self.hide()
        layout, self._layout = self._layout, None
        if layout is not None:
            node, tag = layout
            node.RemoveObserver(tag)

    def chart(self, view: str):
        """Return the chart node of a view; None if it has none yet."""
        return self._node(f"{view} chart")

    def _assign(self) -> None:
        self._followLayout()
        for view in (LOSS_VIEW, VALIDATION_VIEW):
            viewNode = slicer.mrmlScene.GetSingletonNode(view, "vtkMRMLPlotViewNode")
            chart = self.chart(view)
            if viewNode is not None and chart is not None and viewNode.GetPlotChartNodeID() != chart.GetID():
                viewNode.SetPlotChartNodeID(chart.GetID())

    def _followLayout(self) -> None:
        """Leave the layout out of scenes that are saved while it is shown, from now on.

        Where it is not described, such a scene would open without any views. Slicer sends no event before it saves, at
        which the previous layout could be put back; without its node a scene opens in the layout that is shown there.
        """
        if self._layout is None:
            node = slicer.app.layoutManager().layoutLogic().GetLayoutNode()
            self._layout = node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, weakly(self._onLayoutModified))
        self._saveLayout(not self.shown)

    def _onLayoutModified(self, _caller: Any, _event: Any) -> None:
        # Also without another layout: a scene that is closed resets the node.
        if self._layout is not None:
            self._saveLayout(not self.shown)

    def _saveLayout(self, save: bool) -> None:
        node, _tag = self._layout
        if not save or self._leftOut:
            self._leftOut = not save
            node.SetSaveWithScene(save)

    def _draw(self, view: str, title: str, axis: str, curves: dict[str, dict[int, float]]) -> None:
        chart = self._node(f"{view} chart", "vtkMRMLPlotChartNode", _("MedSynth {title}").format(title=title))
        chart.SetTitle(title)
        chart.SetXAxisTitle(_("Epoch"))
        chart.SetYAxisTitle(axis)
        chart.SetLegendVisibility(len(curves) > 1)
        table = self._node(f"{view} table", "vtkMRMLTableNode", _("MedSynth {title} table").format(title=title))
        epochs = sorted({epoch for values in curves.values() for epoch in values})
        columns = [np.array(epochs, dtype=float)]
        columns += [np.array([values.get(epoch, np.nan) for epoch in epochs]) for values in curves.values()]
        slicer.util.updateTableFromArray(table, columns, ["epoch", *curves])
        series = [self._series(view, number, name, table, len(epochs)) for number, name in enumerate(curves)]
        ids = [node.GetID() for node in series]
        shown = [chart.GetNthPlotSeriesNodeID(n) for n in range(chart.GetNumberOfPlotSeriesNodes())]
        if ids != shown:
            chart.RemoveAllPlotSeriesNodeIDs()
            for nodeID in ids:
                chart.AddAndObservePlotSeriesNodeID(nodeID)

    def _series(self, view: str, number: int, name: str, table, points: int):
        node = self._node(f"{view} series {number}", "vtkMRMLPlotSeriesNode", name)
        node.SetName(name)
        node.SetAndObserveTableNodeID(table.GetID())
        node.SetXColumnName("epoch")
        node.SetYColumnName(name)
        node.SetPlotType(node.PlotTypeScatter)
        # A line through a single point is invisible.
        node.SetMarkerStyle(node.MarkerStyleCircle if points < 30 else node.MarkerStyleNone)
        node.SetMarkerSize(6)
        node.SetLineWidth(2)
        node.SetColor(*COLORS[number % len(COLORS)])
        return node

    def _node(self, key: str, className: str = "", name: str = ""):
        """Return a node of this object; with a class name it is created if it is not in the scene."""
        node = slicer.mrmlScene.GetNodeByID(self._nodes.get(key, ""))
        if node is not None and node.GetAttribute(OURS) != key:
            node = None  # in another scene the ID is that of a node of the user's
        if node is None and className:
            node = slicer.mrmlScene.AddNewNodeByClass(className, name)
            node.SetAttribute(OURS, key)
            node.SetSaveWithScene(False)
            self._nodes[key] = node.GetID()
        return node
