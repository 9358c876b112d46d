"""Section on the clip: boxes of every source; its viewer is the page's own part."""

from __future__ import annotations

from spiketrack.pages.parts import Section, Table
from spiketrack.report.sources import Sources


def clip_section(sources: Sources) -> Section:
    """The boxes as a table, and which runs have none here."""
    text = tuple(
        f"{run.label} tracked another clip or object: its boxes are not shown."
        for run in sources.against
        if run.clip != sources.run.clip
    )
    rows = [
        {"source": overlay.label, "frame": row.frame}
        | dict(zip("xywh", row.box.as_tuple(), strict=True))
        | {"score": row.score if overlay.scored else None}
        for overlay in sources.overlays
        for row in overlay.rows
    ]
    return Section("clip", "Clip", text, tables=(Table.of("boxes", "Boxes", rows),))
