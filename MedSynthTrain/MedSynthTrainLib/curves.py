"""The curves of a training in Slicer's plot views: losses at the left, a validation metric at the right."""

import numpy as np
import slicer
from slicer.i18n import tr as _

from MedSynthTrainLib.metrics import TITLES

# Any number above those of Slicer's own layouts, the same in every session.
LAYOUT_ID = 5714
LOSS_VIEW, VALIDATION_VIEW = "MedSynthTrainLoss", "MedSynthTrainValidation"
LAYOUT = """
<layout type="vertical" split="true">
 <item splitSize="550"><layout type="horizontal" split="true">
  <item><view class="vtkMRMLPlotViewNode" singletontag="MedSynthTrainLoss">
   <property name="viewlabel" action="default">L</property></view></item>
  <item><view class="vtkMRMLPlotViewNode" singletontag="MedSynthTrainValidation">
   <property name="viewlabel" action="default">V</property></view></item>
 </layout></item>
 <item splitSize="450"><layout type="horizontal" split="true">
  <item><view class="vtkMRMLSliceNode" singletontag="Red">
   <property name="orientation" action="default">Axial</property>
   <property name="viewlabel" action="default">R</property>
   <property name="viewcolor" action="default">#F34A33</property></view></item>
  <item><view class="vtkMRMLSliceNode" singletontag="Green">
   <property name="orientation" action="default">Coronal</property>
   <property name="viewlabel" action="default">G</property>
   <property name="viewcolor" action="default">#6EB04B</property></view></item>
  <item><view class="vtkMRMLSliceNode" singletontag="Yellow">
   <property name="orientation" action="default">Sagittal</property>
   <property name="viewlabel" action="default">Y</property>
   <property name="viewcolor" action="default">#EDD54C</property></view></item>
 </layout></item>
</layout>
"""
# Colors that people who confuse red and green can tell apart (Okabe and Ito).
COLORS = ((0.0, 0.45, 0.70), (0.84, 0.37, 0.0), (0.0, 0.62, 0.45), (0.80, 0.47, 0.65), (0.90, 0.62, 0.0))
# What is logged beside the losses.
NO_LOSSES = ("learning_rate", "seconds")


class Curves:
    """Keeps tables, series and charts in the scene up to date with a run, and shows them in a layout of their own."""

    def __init__(self) -> None:
        self._before: int | None = None
        self._nodes: dict[str, str] = {}

    def update(self, metrics: dict[tuple[str, str], dict[int, float]], metric: str) -> None:
        """Draw what a run has logged.

        Args:
            metrics: (split, name) → epoch → value.
            metric: of the validation, to draw at the right: one of `metrics.TITLES`.
        """
        train = {name: values for (split, name), values in metrics.items() if split == "train"}
        total = train.get("loss", {})
        # The only part of a sum is the sum itself.
        parts = {name: values for name, values in train.items() if name not in NO_LOSSES and values != total}
        losses = {"loss": total, **parts} if total else parts
        self._draw(LOSS_VIEW, _("Training"), _("Loss"), losses)
        label = TITLES[metric]
        # While a part of a model learns alone, its scores have a name of their own.
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
        """Change to the layout with the curves; without a main window nothing happens."""
        manager = slicer.app.layoutManager()
        if manager is None or self.shown:
            return
        self._before = manager.layout
        node = manager.layoutLogic().GetLayoutNode()
        if not node.IsLayoutDescription(LAYOUT_ID):
            node.AddLayoutDescription(LAYOUT_ID, LAYOUT)
        manager.setLayout(LAYOUT_ID)
        self._assign()

    def hide(self) -> None:
        """Go back to the layout that was there before."""
        if self.shown and self._before is not None:
            slicer.app.layoutManager().setLayout(self._before)

    def chart(self, view: str):
        """Return the chart node of a view, None before there is one."""
        return self._node(f"{view} chart")

    def _assign(self) -> None:
        for view in (LOSS_VIEW, VALIDATION_VIEW):
            viewNode = slicer.mrmlScene.GetSingletonNode(view, "vtkMRMLPlotViewNode")
            chart = self.chart(view)
            if viewNode is not None and chart is not None and viewNode.GetPlotChartNodeID() != chart.GetID():
                viewNode.SetPlotChartNodeID(chart.GetID())

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
        # A line through a single point is not seen.
        node.SetMarkerStyle(node.MarkerStyleCircle if points < 30 else node.MarkerStyleNone)
        node.SetMarkerSize(6)
        node.SetLineWidth(2)
        node.SetColor(*COLORS[number % len(COLORS)])
        return node

    def _node(self, key: str, className: str = "", name: str = ""):
        """Return a node that this object keeps; made anew when the scene was closed, not at all without a class."""
        node = slicer.mrmlScene.GetNodeByID(self._nodes.get(key, ""))
        if node is None and className:
            node = slicer.mrmlScene.AddNewNodeByClass(className, name)
            node.SetSaveWithScene(False)
            self._nodes[key] = node.GetID()
        return node
