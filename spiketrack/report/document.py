"""The report as one frozen value: pictures, boxes, tables, figures, and what made them.

Everything that the page shows is in here; the page, its CSV files and the PNG pictures are
interpreters of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from spiketrack.pages.parts import Fact, Figure, Section, Table
from spiketrack.report.maps import ActivityMaps
from spiketrack.video.boxes import BoxRow


@dataclass(frozen=True)
class Overlay:
    """Boxes of one source over the clip: ``label`` names it, one row a frame.

    ``scored``: whether its scores are a tracker's confidence.
    """

    label: str
    rows: tuple[BoxRow, ...]
    scored: bool = True


@dataclass(frozen=True)
class Pictures:
    """Frames of the clip as JPEG data URIs.

    ``width``, ``height``: of the clip in pixels; ``frames``: the numbers of the frames that
    ``data`` shows; ``note``: why there are none, or not all.
    """

    width: int
    height: int
    frames: tuple[int, ...] = ()
    data: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, eq=False)
class Report:
    """The whole page."""

    title: str
    subtitle: str
    facts: tuple[Fact, ...]
    pictures: Pictures
    fps: float | None
    overlays: tuple[Overlay, ...]
    maps: tuple[ActivityMaps, ...]
    sections: tuple[Section, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All figures in order."""
        return tuple(figure for section in self.sections for figure in section.figures)

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables in order."""
        return tuple(table for section in self.sections for table in section.tables)
