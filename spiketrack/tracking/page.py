"""``plots.html`` of an evaluation: cards, curves, every sequence, and what made them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spiketrack.machine.named import machine, now
from spiketrack.pages import Drawing, Fact, Figure, Page, Section, Table, write_page
from spiketrack.pages.plots import blank
from spiketrack.tracking.plots import PANELS, line, mean_curves, title
from spiketrack.tracking.rules import rules_said
from spiketrack.version import VERSION

NOTICE = (
    "Scored against the labels of each sequence. Simulated: no chip was used; energy is modelled, "
    "operations counted times the prices of a table."
)
SCORES = (
    "success_auc", "precision_20", "normalised_precision_20", "ao", "sr50", "sr75", "fps",
    "energy_mj",
)  # fmt: skip
SETTINGS = (
    "method", "backend", "prices", "frames_limit", "network", "tracker", "network_digest",
    "checkpoint_sha256", "opencv",
)  # fmt: skip


def write_html(document: Mapping[str, Any], path: Path, looks: tuple[Drawing, ...] = ()) -> None:
    """The page about an evaluation document, with looks at sequences; it appears whole."""
    sections = [curves_section(document), sequence_section(document), made_section(document)]
    if looks:
        sections.insert(1, looks_section(looks))
    others = ", ".join(document["baselines"]) or "none"
    about = f"{title(document)}; baselines on the same frames: {others}"
    head = (f"Evaluation of {document['method']}", about, NOTICE)
    write_page(Page(*head, facts(document), sections), path)


def facts(document: Mapping[str, Any]) -> list[Fact]:
    """What the method reached in the mean over the sequences."""
    mean, baselines = document["mean"], document["baselines"]
    others = ", ".join(
        f"{name} {part['mean']['success_auc']:.3f}"
        for name, part in baselines.items()
        if part["mean"] and part["mean"]["success_auc"] is not None
    )
    energy, low, high = (mean[key] for key in ("energy_mj", "whole_low_mj", "whole_high_mj"))
    spent = [Fact("operations of a frame", "not counted", "", "modelled")]
    if energy is not None:
        where = f"search branch, {document.get('prices') or ''}"
        spent = [Fact("operations of a frame", f"{energy:.3g} mJ", where, "modelled")]
    if low is not None and high is not None:
        value = f"{low:.3g} to {high:.3g} mJ"
        spent.append(
            Fact("all that its chips spend", value, "template encodings spread", "modelled")
        )
    return [
        Fact("success AUC", f"{mean['success_auc']:.3f}", others or "no baseline", "measured"),
        Fact("precision", f"{mean['precision_20']:.3f}", "centre within 20 pixels", "measured"),
        Fact(
            "normalised precision",
            f"{mean['normalised_precision_20']:.3f}",
            "centre within 0.20 of the target's size",
            "measured",
        ),
        *spent,
        Fact("speed here", f"{mean['fps']:.3g} frames/s", "the simulation", "measured"),
    ]


def curves_section(document: Mapping[str, Any]) -> Section:
    """The three plots of the benchmarks."""
    figures = []
    for panel in PANELS:
        plot = blank(panel.axis, "share of frames", 400)
        for colour, (name, mean) in enumerate(mean_curves(document).items()):
            plot.add_trace(line(panel, name, mean, colour))
        plot.update_layout(showlegend=True)
        plot.update_yaxes(range=[0, 1.02])
        figures.append(Figure(panel.figure, panel.title, (("", plot),)))
    text = [f"{title(document)}, each counting the same. In brackets: the figure of the title."]
    layouts = [p["layout"] for p in document["sequences"].values() if p["success_auc"] is not None]
    text += [f"Scored by {said}." for said in rules_said(layouts)]
    return Section("curves", "Curves", tuple(text), tuple(figures))


def looks_section(looks: tuple[Drawing, ...]) -> Section:
    """Frames of the sequences that were followed worst."""
    text = ("Sequences of the lowest success, the worst first; boxes of the method on its frames.",)
    return Section("looks", "A look at the sequences", text, drawings=looks)


def sequence_section(document: Mapping[str, Any]) -> Section:
    """A row a sequence and method, and what failed."""
    methods = {document["method"]: document, **document["baselines"]}
    rows = [
        {"method": method, "sequence": name, "frames": part["frames"]}
        | {key: part[key] for key in SCORES}
        for method, scores in methods.items()
        for name, part in scores["sequences"].items()
    ]
    failed = [
        {"method": method, "sequence": name, "reason": reason}
        for method, scores in methods.items()
        for name, reason in scores["failed"].items()
    ]
    tables = [Table.of("sequences", "Every sequence", rows, unfolded=True)]
    if failed:
        tables.append(Table.of("failed", "Failed, and why", failed, unfolded=True))
    return Section("sequences", "Sequences", tuple(document["notes"]), tables=tuple(tables))


def made_section(document: Mapping[str, Any]) -> Section:
    """Settings, versions, date and machine."""
    rows = [{"what": key, "value": document.get(key)} for key in SETTINGS]
    rows += [{"what": "spiketrack", "value": VERSION}, {"what": "date", "value": now()}]
    rows += [{"what": name, "value": value} for name, value in machine().items()]
    known = [row for row in rows if row["value"] is not None]
    table = Table.of("settings", "Settings, versions, machine", known, unfolded=True)
    return Section("made", "How this was made", tables=(table,))
