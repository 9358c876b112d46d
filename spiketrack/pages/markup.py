"""Facts, sections, figures and tables as HTML; every text is escaped."""

from __future__ import annotations

import html

from spiketrack.errors import harmless
from spiketrack.pages.parts import Drawing, Fact, Figure, Section, Table
from spiketrack.terminal.amounts import counted


def escaped(text: str) -> str:
    """A text as HTML; control characters of foreign names, which turn or hide words, as escapes."""
    return html.escape(harmless(text))


def section_block(section: Section) -> str:
    """A section: sentences, commands, drawings, figures, tables."""
    parts = [paragraph(line) for line in section.text]
    if section.commands:
        lines = html.escape("\n".join(section.commands))  # to be pasted as they are
        parts.append(f'<pre tabindex="0"><code>{lines}</code></pre>')
    parts += [_drawing(drawing) for drawing in section.drawings]
    parts += [_figure(figure) for figure in section.figures]
    parts += [table_block(table) for table in section.tables]
    name, title = section.name, escaped(section.title)
    body = "\n".join(parts)
    return (
        f'<section id="{name}" aria-labelledby="{name}-title">\n'
        f'<h2 id="{name}-title">{title}</h2>\n{body}\n</section>'
    )


def _figure(figure: Figure) -> str:
    title = escaped(figure.title)
    return (
        f'<figure data-figure="{figure.name}"><figcaption><h3>{title}</h3>'
        f'<span class="tools"></span></figcaption>'
        f'<div class="plot" role="group" aria-label="{title}"></div>{_note(figure.note)}</figure>'
    )


def _drawing(drawing: Drawing) -> str:
    title = escaped(drawing.title)
    return (
        f'<figure class="drawing" data-drawing="{drawing.name}"><figcaption><h3>{title}</h3>'
        f"</figcaption>{drawing.svg}{_note(drawing.note)}</figure>"
    )


def table_block(table: Table) -> str:
    """A table's title, its buttons and where its rows will be."""
    title = escaped(table.title)
    state = " open" if table.unfolded else ""
    return (
        f'<div class="table-block"><div class="table-head"><h3>{title}</h3>'
        f'<span class="tools"><button type="button" data-csv="{table.name}" '
        f'aria-label="CSV of {title}">CSV</button></span></div>{_note(table.note)}'
        f'<details data-table="{table.name}"{state}>'
        f'<summary aria-label="{title}, {_rows(table)}">{_rows(table)}</summary></details></div>'
    )


def _rows(table: Table) -> str:
    return counted(len(table.rows), "row")


def _note(note: str) -> str:
    return f'<p class="note">{escaped(note)}</p>' if note else ""


def fact_block(fact: Fact) -> str:
    """A card."""
    label, value, detail, kind = (
        escaped(text) for text in (fact.label, fact.value, fact.detail, fact.kind)
    )
    tag = f'<dd class="kind">{kind}</dd>' if kind else ""
    return (
        f'<div><dt>{label}</dt><dd class="value">{value}</dd>'
        f'<dd class="detail">{detail}</dd>{tag}</div>'
    )


def link(section: Section) -> str:
    """Where the navigation leads."""
    return f'<li><a href="#{section.name}">{escaped(section.title)}</a></li>'


def paragraph(line: str) -> str:
    """A sentence or several."""
    return f"<p>{escaped(line)}</p>"
