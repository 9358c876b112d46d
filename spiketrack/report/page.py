"""The page: one HTML file that holds everything and needs no network."""

from __future__ import annotations

import html
import json
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from plotly.offline import get_plotlyjs

from spiketrack.files import atomic_path
from spiketrack.report.document import Figure, Report, Section, Table
from spiketrack.report.figures import COLOURS

OPEN = ("energy", "backends", "prices", "unsupported", "versions", "runs")  # tables shown at once


def write_html(report: Report, path: Path) -> None:
    """Write the page; it appears whole."""
    with atomic_path(path) as temporary:
        temporary.write_text(render(report), encoding="utf-8")


def render(report: Report) -> str:
    """The page as text."""
    clip, *others = report.sections
    return _template("page.html").substitute(
        title=html.escape(report.title),
        subtitle=html.escape(report.subtitle),
        style=_text("page.css"),
        facts="\n".join(_fact(f.label, f.value, f.detail) for f in report.facts),
        navigation="\n".join(_link(section) for section in report.sections),
        clip=_clip(report, clip),
        clip_data=embed(clip_data(report)),
        viewer=_text("viewer.js"),
        sections="\n".join(_section(section) for section in others),
        report_data=embed(report_data(report)),
        plotly=get_plotlyjs().replace("</script", "<\\/script"),
        tables=_text("tables.js"),
        figures=_text("figures.js"),
    )


def embed(value: Any) -> str:
    """JSON that no HTML parser takes for anything else."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


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


def report_data(report: Report) -> dict[str, Any]:
    """Tables and figures by name."""
    return {
        "tables": {table.name: table.as_dict() for table in report.tables},
        "figures": {figure.name: _figure_data(figure) for figure in report.figures},
    }


def _figure_data(figure: Figure) -> dict[str, Any]:
    variants = [{"label": label, **json.loads(plot.to_json())} for label, plot in figure.variants]
    return {"log_axis": figure.log_axis, "variants": variants}


def _clip(report: Report, section: Section) -> str:
    pictures = report.pictures
    last = max((row.frame for overlay in report.overlays for row in overlay.rows), default=0)
    notes = [*section.text, *filter(None, [pictures.note])]
    return _template("clip.html").substitute(
        title=html.escape(section.title),
        text="".join(_paragraph(line) for line in notes),
        width=pictures.width,
        height=pictures.height,
        last=last,
        body="".join(_table(table) for table in section.tables),
    )


def _section(section: Section) -> str:
    parts = [_paragraph(line) for line in section.text]
    if section.commands:
        parts.append(f"<pre><code>{html.escape(chr(10).join(section.commands))}</code></pre>")
    parts += [_figure(figure) for figure in section.figures]
    parts += [_table(table) for table in section.tables]
    name, title = section.name, html.escape(section.title)
    body = "\n".join(parts)
    return (
        f'<section id="{name}" aria-labelledby="{name}-title">\n'
        f'<h2 id="{name}-title">{title}</h2>\n{body}\n</section>'
    )


def _figure(figure: Figure) -> str:
    title = html.escape(figure.title)
    note = f'<p class="note">{html.escape(figure.note)}</p>' if figure.note else ""
    return (
        f'<figure data-figure="{figure.name}"><figcaption><h3>{title}</h3>'
        f'<span class="tools"></span></figcaption>'
        f'<div class="plot" role="img" aria-label="{title}"></div>{note}</figure>'
    )


def _table(table: Table) -> str:
    note = f'<p class="note">{html.escape(table.note)}</p>' if table.note else ""
    state = " open" if table.name in OPEN else ""
    return (
        f'<div class="table-block"><div class="table-head"><h3>{html.escape(table.title)}</h3>'
        f'<span class="tools"><button type="button" data-csv="{table.name}" '
        f'aria-label="CSV of {html.escape(table.title)}">CSV</button></span></div>{note}'
        f'<details data-table="{table.name}"{state}>'
        f"<summary>{_rows(table)}</summary></details></div>"
    )


def _rows(table: Table) -> str:
    return "1 row" if len(table.rows) == 1 else f"{len(table.rows):,} rows"


def _fact(label: str, value: str, detail: str) -> str:
    label, value, detail = (html.escape(text) for text in (label, value, detail))
    return (
        f'<div><dt>{label}</dt><dd class="value">{value}</dd><dd class="detail">{detail}</dd></div>'
    )


def _link(section: Section) -> str:
    return f'<li><a href="#{section.name}">{section.name.capitalize()}</a></li>'


def _paragraph(line: str) -> str:
    return f"<p>{html.escape(line)}</p>"


def _template(name: str) -> Template:
    return Template(_text(name))


def _text(name: str) -> str:
    return (resources.files(__package__) / name).read_text("utf-8")
