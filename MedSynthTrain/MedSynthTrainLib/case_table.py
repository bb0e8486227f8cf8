"""The table of cases: name, split, what the check found, thumbnails and patient."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import qt
from MedSynthLib.connections import Connections
from MedSynthLib.messages import asItIs
from slicer.i18n import tr as _

from medsynth_core.datasets.manifest import Case
from medsynth_core.figures.thumbnail import SIDE
from MedSynthTrainLib.dataset import DataSet
from MedSynthTrainLib.thumbnails import Thumbnails

CASE, SPLIT, STATE, INPUT, TARGET, PATIENT = range(6)
WIDTHS = {CASE: 70, SPLIT: 40, STATE: 88, INPUT: 54, TARGET: 54, PATIENT: 40}
MARKS = {"good": "✓", "doubtful": "?", "refused": "✗"}


class CaseTable:
    """Shows cases in a table widget.

    Args:
        table: the widget.
        onSelected: called when other cases are selected.
    """

    def __init__(self, table, onSelected: Callable[[], None]) -> None:
        self._table, self._connections = table, Connections()
        self._thumbnails: Thumbnails | None = None
        self._cases: Sequence[Case] = ()
        self._roles: tuple[str, ...] = ()
        table.setColumnCount(len(WIDTHS))
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(SIDE + 4)
        table.setIconSize(qt.QSize(SIDE, SIDE))
        table.horizontalHeader().setStretchLastSection(True)
        for column, width in WIDTHS.items():
            table.setColumnWidth(column, width)
        self._connections.connect(table, "itemSelectionChanged()", onSelected)

    def open(self, dataSet: DataSet | None) -> None:
        """Keep the thumbnails of another data set; with None there are none."""
        self._closeThumbnails()
        if dataSet is not None:
            dataSet.removeUnneededThumbnails()
            # Again at the end of each process that makes some: cases may have been removed meanwhile.
            self._thumbnails = Thumbnails(dataSet.thumbnails, self._showThumbnails, dataSet.removeUnneededThumbnails)

    def close(self) -> None:
        """Make no more thumbnails, and disconnect the widget."""
        self._closeThumbnails()
        self._connections.close()

    def _closeThumbnails(self) -> None:
        thumbnails, self._thumbnails = self._thumbnails, None
        if thumbnails is not None:
            thumbnails.close()

    def show(self, cases: Sequence[Case], roles: tuple[str, ...], checks: dict[str, dict[str, Any]]) -> None:
        """Show cases; those that were selected stay selected.

        Args:
            cases: a row each.
            roles: names of the images; the first two have a column. () if they are not known.
            checks: what the check found, by the names of the cases.
        """
        selected, table = self.selected(), self._table
        self._cases, self._roles = cases, roles
        first, second = (*roles, "")[:2] if roles else (_("input"), _("target"))
        table.setHorizontalHeaderLabels([_("Case"), _("Split"), _("State"), first, second, _("Patient")])
        table.setColumnHidden(TARGET, not second)
        table.setRowCount(len(cases))
        for row, case in enumerate(cases):
            self._showCase(row, case, checks.get(case.name))
        self._showThumbnails()
        self._select(selected)

    def selected(self) -> list[str]:
        """Return the names of the selected cases."""
        rows = sorted({item.row() for item in self._table.selectedItems()})
        return [self._table.item(row, CASE).text() for row in rows if self._table.item(row, CASE) is not None]

    def _showCase(self, row: int, case: Case, check: dict[str, Any] | None) -> None:
        state = f"{MARKS[check['state']]} {check['state']}" if check else _("not checked")
        patient = case.patient if case.patient != case.name else ""
        for column, text in ((CASE, case.name), (SPLIT, case.split or "–"), (STATE, state), (PATIENT, patient)):
            self._cell(row, column).setText(text)
            self._cell(row, column).setToolTip(asItIs("\n".join(check["problems"]) if check else text))

    def _showThumbnails(self) -> None:
        if self._thumbnails is None:
            return
        for row, case in enumerate(self._cases):
            for column, role in zip((INPUT, TARGET), self._roles, strict=False):
                file = case.files.get(role)
                picture = self._thumbnails.get(file) if file is not None else None
                cell = self._cell(row, column)
                cell.setIcon(qt.QIcon(str(picture)) if picture else qt.QIcon())
                cell.setText("" if picture else "–" if file is None or not os.path.isfile(file) else "…")
                cell.setToolTip(asItIs(str(file or _("no file"))))

    def _cell(self, row: int, column: int):
        item = self._table.item(row, column)
        if item is None:
            item = qt.QTableWidgetItem()
            self._table.setItem(row, column, item)
        return item

    def _select(self, names: list[str]) -> None:
        wasBlocked = self._table.blockSignals(True)
        for row in range(self._table.rowCount):
            chosen = self._cell(row, CASE).text() in names
            for column in range(self._table.columnCount):
                self._cell(row, column).setSelected(chosen)
        self._table.blockSignals(wasBlocked)
