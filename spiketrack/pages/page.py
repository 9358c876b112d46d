"""The page: one HTML file that holds everything and needs no network."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from spiketrack.files import atomic_path
from spiketrack.pages import library
from spiketrack.pages.markup import escaped, fact_block, link, section_block
from spiketrack.pages.parts import Fact, Figure, Section
from spiketrack.pages.policy import content_policy


@dataclass(frozen=True, eq=False)
class Lead:
    """A part of one kind of page alone, shown first: markup of our own, data, and its script."""

    section: Section
    body: str
    data: Any
    script: str
    style: str = ""
    skip: tuple[str, str] = ("content", "Skip to the content")  # where the first link leads


@dataclass(frozen=True, eq=False)
class Page:
    """Everything that a page shows."""

    title: str
    subtitle: str
    notice: str  # what kind of numbers these are
    facts: Sequence[Fact]
    sections: Sequence[Section]
    lead: Lead | None = None
    scripts: Sequence[str] = ()  # of one kind of page, which extend its figures


def render(page: Page) -> str:
    """The page as text. ``lead`` stands first and has its script run at once."""
    lead = page.lead
    sections = [*([lead.section] if lead else []), *page.sections]
    own = (text("tables.js"), text("figures.js"), *page.scripts, text("start.js"))
    scripts = [f"\n{script}" for script in own]
    skip, skip_text = lead.skip if lead else Lead.skip
    led = (f"\n{lead.script}",) if lead else ()
    return Template(text("page.html")).substitute(
        policy=content_policy((*scripts, *led, library.source())),
        title=escaped(page.title),
        subtitle=escaped(page.subtitle),
        notice=escaped(page.notice),
        skip=skip,
        skip_text=html.escape(skip_text),
        style=text("page.css") + (lead.style if lead else ""),
        facts="\n".join(fact_block(fact) for fact in page.facts),
        navigation="\n".join(link(section) for section in sections),
        lead=_lead(lead, *led) if lead else "",
        sections="\n".join(section_block(section) for section in page.sections),
        data=embed(data(sections)),
        licence=html.escape(library.licence().strip()),
        library=library.packed(),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def write_page(page: Page, path: Path) -> int:
    """Write the file, which appears whole; its bytes, which no pipe could tell afterwards."""
    with atomic_path(path) as temporary:
        temporary.write_text(render(page), encoding="utf-8", errors="backslashreplace")
        return temporary.stat().st_size


def _lead(lead: Lead, script: str) -> str:
    held = f'<script type="application/json" id="lead-data">{embed(lead.data)}</script>'
    return f"{lead.body}\n{held}\n<script>{script}</script>"


def data(sections: Sequence[Section]) -> dict[str, Any]:
    """Tables and figures by name."""
    return {
        "tables": {table.name: table.as_dict() for one in sections for table in one.tables},
        "figures": {figure.name: figure_data(figure) for one in sections for figure in one.figures},
    }


def figure_data(figure: Figure) -> dict[str, Any]:
    """Variants as the library takes them."""
    variants = [{"label": label, **json.loads(plot.to_json())} for label, plot in figure.variants]
    return {"log_axis": figure.log_axis, "variants": variants}


def embed(value: Any) -> str:
    """JSON that no HTML parser takes for anything else."""
    held = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return held.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def text(name: str) -> str:
    """A file of this folder."""
    return (resources.files(__package__) / name).read_text("utf-8")
