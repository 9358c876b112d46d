"""``curves.html`` of a training: where it stands, its curves, the validations, and what made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from spiketrack.machine.named import machine, now
from spiketrack.pages import Fact, Figure, Page, Section, Table, write_page
from spiketrack.pages.plots import DASHES, blank
from spiketrack.version import VERSION

Events = Sequence[Mapping[str, Any]]

NOTICE = (
    "Validation is measured with the averaged weights on videos kept out of training: the mean IoU "
    "of predicted and true box, and the share of predicted centres inside the true box (hit). "
    "AUC is success in closed loop from several starts a video, with its 95 % interval over the "
    "videos; it chooses the best weights. Flipped and shifted: the share of counts that differ "
    "after one count was changed, and after the crop was shifted by one pixel."
)
LATER = ("auc", "auc_low", "auc_high", "flipped", "shifted")  # not in the logs of older runs
PANELS = (
    ("loss", "Loss", "loss", "step", ("loss", "focal", "giou", "l1", "size")),
    ("validation", "Validation", "share", "validation", ("iou", "hit", *LATER[:3])),
    (
        "amplification",
        "Counts that differ after the least push",
        "share of the counts",
        "validation",
        LATER[3:],
    ),
    ("speed", "Pairs a second", "pairs a second", "step", ("pairs_per_second",)),
)


def write_curves(events: Events, path: Path) -> None:
    """The page about the events of a log; it appears whole."""
    sections = [curves_section(events), validation_section(events), made_section()]
    about = f"after step {events[-1]['step']:,}" if events else "no step was taken yet"
    write_page(Page("Training", about, NOTICE, facts(events), sections), path)


def facts(events: Events) -> list[Fact]:
    """The last of every figure, and the best validation."""
    minutes = events[-1].get("minutes") if events else None
    ious = _points(events, "validation", "iou")
    losses, speeds = _points(events, "step", "loss"), _points(events, "step", "pairs_per_second")
    found = [
        Fact("steps", f"{events[-1]['step']:,}" if events else "0", _minutes(minutes), "measured"),
        Fact(
            "loss", f"{losses[-1][1]:.4g}" if losses else "none yet", "of the last step", "measured"
        ),
    ]
    best = max(ious, key=lambda point: point[1], default=None)
    aucs = _points(events, "validation", "auc")
    if aucs:
        top = max(aucs, key=lambda point: point[1])
        detail = f"step {top[0]:,}; last {aucs[-1][1]:.3f}; in closed loop"
        found.append(Fact("best success AUC", f"{top[1]:.3f}", detail, "measured"))
    if best is not None:
        detail = f"step {best[0]:,}; last {ious[-1][1]:.3f}"
        found.append(Fact("best validation IoU", f"{best[1]:.3f}", detail, "measured"))
    if speeds:
        found.append(Fact("speed here", f"{speeds[-1][1]:.3g} pairs/s", "at last", "measured"))
    return found


def curves_section(events: Events) -> Section:
    """Loss and its parts, validation, speed over the steps."""
    figures = []
    for name, heading, axis, event, keys in PANELS:
        plot = blank("step", axis, 360)
        for place, key in enumerate(keys):
            points = _points(events, event, key)
            if key in LATER and not points:
                continue
            x, y = [step for step, _ in points], [value for _, value in points]
            mode = "lines" if len(points) > 1 else "markers"
            shape = {"dash": DASHES[place % len(DASHES)]}
            plot.add_trace(go.Scatter(x=x, y=y, name=key.replace("_", " "), mode=mode, line=shape))
        if not plot.data and events:
            continue
        plot.update_layout(showlegend=len(keys) > 1)
        figures.append(Figure(name, heading, (("", plot),), log_axis="y" if name == "loss" else ""))
    text = ("The loss is the weighted sum of its parts.",)
    return Section("curves", "Curves", text, tuple(figures))


def validation_section(events: Events) -> Section:
    """A row a validation."""
    checks = [e for e in events if e["event"] == "validation"]
    there = [key for key in LATER if any(key in e for e in checks)]
    keys = ("step", "minutes", "iou", "hit", *there)
    rows = [{key: e.get(key) for key in keys} for e in checks]
    if not rows:
        return Section("validations", "Validations", ("None yet.",))
    tables = (Table.of("validations", "Every validation", rows, unfolded=True),)
    return Section("validations", "Validations", tables=tables)


def made_section() -> Section:
    """Version, date and machine; the configuration is in the weights' metadata."""
    about = {"spiketrack": VERSION, "date": now(), **machine()}
    rows = [{"what": name, "value": value} for name, value in about.items()]
    table = Table.of("made", "Version, date, machine", rows, unfolded=True)
    text = ("The whole configuration stands in the metadata of weights.safetensors.",)
    return Section("made", "How this was made", text, tables=(table,))


def _points(events: Events, event: str, key: str) -> list[tuple[int, float]]:
    """Step and value, where there is one: what was not finite was logged as none."""
    return [
        (row["step"], row[key])
        for row in events
        if row["event"] == event and isinstance(row.get(key), (int, float))
    ]


def _minutes(minutes: float | None) -> str:
    return "" if minutes is None else f"{minutes:.3g} minutes of training"
