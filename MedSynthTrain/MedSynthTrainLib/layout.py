"""The layout with the curves of a training."""

import slicer

# Any number that is not one of Slicer's own layouts; it must be the same in every session.
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


def describeLayout() -> None:
    """Tell Slicer what the layout with the curves looks like: at its start, before a scene that has it is opened."""
    manager = slicer.app.layoutManager()
    if manager is None:  # no main window
        return
    node = manager.layoutLogic().GetLayoutNode()
    if not node.IsLayoutDescription(LAYOUT_ID):
        node.AddLayoutDescription(LAYOUT_ID, LAYOUT)
