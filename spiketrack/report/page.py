"""The report as a page: the clip's viewer leads, the sections follow."""

from __future__ import annotations

import html
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from spiketrack.pages.markup import paragraph, table_block
from spiketrack.pages.page import Lead, Page, write_page
from spiketrack.pages.plots import COLOURS
from spiketrack.report.document import Overlay, Report
from spiketrack.report.facts import NOTICE
from spiketrack.report.overlays import last_frame
from spiketrack.video.boxes import BoxRow

VIEWER = "viewer"
MAPS = (
    "Bars: share of neurons that fire, a bar a population in the order of the network, stages in "
    "two colours; frame 0 is the first template's encoding. Maps: mean count by place, search "
    "branch, from frame 1 on."
)
NO_MAPS = "A run with --counts full also shows where in the picture populations fire."


def write_html(report: Report, path: Path) -> int:
    """Write the page, which appears whole; its bytes."""
    return write_page(page_of(report), path)


def page_of(report: Report) -> Page:
    """What the page shows."""
    _, *others = report.sections
    scripts = (_text("follow.js"), _text(VIEWER, "activity.js"))
    lead = _lead(report)
    head = (report.title, report.subtitle, NOTICE, report.facts)
    return Page(*head, others, lead, scripts)


def _lead(report: Report) -> Lead:
    clip, pictures = report.sections[0], report.pictures
    notes = [*clip.text, *filter(None, [pictures.note])]
    body = Template(_text(VIEWER, "clip.html")).substitute(
        title=html.escape(clip.title),
        text="".join(paragraph(line) for line in notes),
        width=pictures.width,
        height=pictures.height,
        last=last_frame(report.overlays),
        maps=html.escape(MAPS if report.maps else NO_MAPS),
        body="".join(table_block(table) for table in clip.tables),
    )
    skip = ("slider", "Skip to the frame slider")
    return Lead(
        clip, body, clip_data(report), _text(VIEWER, "viewer.js"), _text(VIEWER, "clip.css"), skip
    )


def clip_data(report: Report) -> dict[str, Any]:
    """What the slider shows."""
    return {
        "frames": list(report.pictures.frames),
        "pictures": list(report.pictures.data),
        "fps": report.fps,
        "colours": list(COLOURS),
        "maps": [asdict(one) for one in report.maps],
        "overlays": [
            {
                "label": overlay.label,
                "rows": [[r.frame, *r.box.as_tuple(), *score(overlay, r)] for r in overlay.rows],
            }
            for overlay in report.overlays
        ],
    }


def score(overlay: Overlay, row: BoxRow) -> list[float]:
    """The score of a box, if it has one."""
    return [row.score] if overlay.scored else []


def _text(*path: str) -> str:
    return resources.files(__package__).joinpath(*path).read_text("utf-8")
