"""The table of data set formats. **A new data set is added here**: one file with its reader, and one line in the table.

A reader takes the data set's folder or file and the :class:`ImportSettings`, and returns a
:class:`~vlm_autodrive.datasets.builder.DatasetBuilder` that it has filled row by row; ``dad.py`` is the shortest
example. It does not decode videos: the import stage probes them. If the data set uses the footage of another one,
give its videos that one's ``source_id`` (``source_footage.py``), so that both copies stay in one split.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from vlm_autodrive.datasets.badas import read_badas
from vlm_autodrive.datasets.bdd_x import read_bdd_x
from vlm_autodrive.datasets.builder import DatasetBuilder
from vlm_autodrive.datasets.ccd import read_ccd
from vlm_autodrive.datasets.dad import read_dad
from vlm_autodrive.datasets.dada2000 import read_dada2000
from vlm_autodrive.datasets.dota import read_dota
from vlm_autodrive.datasets.fiftyone_labels import read_fiftyone
from vlm_autodrive.datasets.label_studio import read_label_studio
from vlm_autodrive.datasets.manifest import read_manifest
from vlm_autodrive.datasets.mmau import read_mmau
from vlm_autodrive.datasets.nexar import read_nexar
from vlm_autodrive.datasets.nexar_kaggle import read_nexar_kaggle
from vlm_autodrive.datasets.settings import ImportSettings
from vlm_autodrive.datasets.tau106k import read_tau106k
from vlm_autodrive.datasets.via import read_via
from vlm_autodrive.datasets.video_folder import read_video_folder
from vlm_autodrive.datasets.vru_accident import read_vru_accident


class DatasetFormat(NamedTuple):
    """One format of data sets.

    Attributes:
        read: Its reader.
        takes_overlay: Whether it leaves the kinds of events open, so that an overlay can name them.
        has_segments: Whether it is an annotation tool's, with segments that the settings ``segments`` tell how to read.
    """

    read: Callable[[Path, ImportSettings], DatasetBuilder]
    takes_overlay: bool = False
    has_segments: bool = False


FORMATS = {
    "manifest": DatasetFormat(read_manifest),
    "nexar": DatasetFormat(read_nexar, takes_overlay=True),
    "nexar-kaggle": DatasetFormat(read_nexar_kaggle, takes_overlay=True),
    "video-folder": DatasetFormat(read_video_folder),
    "via": DatasetFormat(read_via, has_segments=True),
    "label-studio": DatasetFormat(read_label_studio, has_segments=True),
    "fiftyone": DatasetFormat(read_fiftyone, has_segments=True),
    "badas": DatasetFormat(read_badas),
    "bdd-x": DatasetFormat(read_bdd_x),
    "ccd": DatasetFormat(read_ccd),
    "dad": DatasetFormat(read_dad),
    "dada2000": DatasetFormat(read_dada2000),
    "dota": DatasetFormat(read_dota, takes_overlay=True),
    "mmau": DatasetFormat(read_mmau),
    "tau106k": DatasetFormat(read_tau106k),
    "vru-accident": DatasetFormat(read_vru_accident),
}
"""Every format by the name that ``autodrive import`` takes."""
