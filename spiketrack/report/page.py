"""The report as a page: the clip's viewer leads, the sections follow."""

from __future__ import annotations

import html
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from spiketrack.files import atomic_path
from spiketrack.pages import page
from spiketrack.pages.markup import paragraph, table_block
from spiketrack.pages.page import Lead, Page
from spiketrack.pages.plots import COLOURS
from spiketrack.report.document import Report
from spiketrack.report.overlays import last_frame

VIEWER = "viewer"


def write_html(report: Report, path: Path) -> None:
    """Write the page; it appears whole."""
    with atomic_path(path) as temporary:
        temporary.write_text(render(report), encoding="utf-8", errors="backslashreplace")


def render(report: Report) -> str:
    """The page as text."""
    _, *others = report.sections
    scripts = (_text("follow.js"),)
    lead = _lead(report)
    return page.render(Page(report.title, report.subtitle, report.facts, others, lead, scripts))


def _lead(report: Report) -> Lead:
    clip, pictures = report.sections[0], report.pictures
    notes = [*clip.text, *filter(None, [pictures.note])]
    body = Template(_text(VIEWER, "clip.html")).substitute(
        title=html.escape(clip.title),
        text="".join(paragraph(line) for line in notes),
        width=pictures.width,
        height=pictures.height,
        last=last_frame(report.overlays),
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
        "overlays": [
            {
                "label": overlay.label,
                "rows": [[r.frame, *r.box.as_tuple(), r.score] for r in overlay.rows],
            }
            for overlay in report.overlays
        ],
    }


def _text(*path: str) -> str:
    return resources.files(__package__).joinpath(*path).read_text("utf-8")
