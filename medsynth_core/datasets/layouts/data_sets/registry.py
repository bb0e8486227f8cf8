"""The public data sets that are recognised."""

from __future__ import annotations

from medsynth_core.datasets.layouts.data_sets.brats import BRATS
from medsynth_core.datasets.layouts.data_sets.brats2015 import BRATS2015
from medsynth_core.datasets.layouts.data_sets.chest_xray import CHEST_XRAY
from medsynth_core.datasets.layouts.data_sets.fundus import CHASE_DB1, DRIVE, FIRE
from medsynth_core.datasets.layouts.data_sets.lung_ct import LUNG_SLICES, LUNG_VOLUMES
from medsynth_core.datasets.layouts.data_sets.tianchi import TIANCHI

DATA_SETS = (BRATS2015, BRATS, CHEST_XRAY, LUNG_SLICES, LUNG_VOLUMES, DRIVE, CHASE_DB1, FIRE, TIANCHI)
