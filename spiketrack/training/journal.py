"""The log of a run: JSON lines as it goes, and curves drawn from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spiketrack.files import atomic_path

if TYPE_CHECKING:
    from spiketrack.training.state import Run

LOG = "log.jsonl"
CURVES = "curves.html"


class Journal:
    """Appends events to ``log.jsonl``; a context manager."""

    def __init__(self, folder: Path, fresh: bool) -> None:
        self.folder = folder
        self.file = (folder / LOG).open("w" if fresh else "a", encoding="utf-8")

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, event: str, run: Run, figures: Mapping[str, float]) -> None:
        """One line: the event, step, minutes of training so far and the figures."""
        values = {key: round(value, 6) for key, value in figures.items()}
        row = {"event": event, "step": run.step, "minutes": round(run.minutes, 3), **values}
        self.file.write(json.dumps(row) + "\n")
        self.file.flush()

    def plot(self) -> None:
        """Draw loss, validation and speed over the steps into ``curves.html``."""
        rows = [json.loads(line) for line in (self.folder / LOG).read_text("utf-8").splitlines()]
        html = curves(rows).to_html(include_plotlyjs="directory" if _script(self.folder) else "cdn")
        with atomic_path(self.folder / CURVES) as temporary:
            temporary.write_text(html, encoding="utf-8")


def _script(folder: Path) -> bool:
    """Lay plotly's script beside the page once, so that it opens without a network."""
    from plotly.offline import get_plotlyjs

    target = folder / "plotly.min.js"
    if not target.exists():
        with atomic_path(target) as temporary:
            temporary.write_text(get_plotlyjs(), encoding="utf-8")
    return target.exists()


def curves(rows: list[dict[str, Any]]) -> Any:
    """A plotly figure of three panels."""
    from plotly.subplots import make_subplots

    panels = (
        ("step", ("loss", "focal", "giou", "l1", "size")),
        ("validation", ("iou", "hit")),
        ("step", ("pairs_per_second",)),
    )
    titles = ["Loss", "Validation (averaged weights)", "Pairs a second"]
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, subplot_titles=titles)
    for place, (event, names) in enumerate(panels, 1):
        chosen = [row for row in rows if row["event"] == event]
        for name in names:
            points = [(row["step"], row[name]) for row in chosen if name in row]
            x, y = [p[0] for p in points], [p[1] for p in points]
            figure.add_scatter(x=x, y=y, name=name, mode="lines", row=place, col=1)
    figure.update_xaxes(title_text="Step", row=3, col=1)
    figure.update_layout(height=900, template="plotly_white")
    return figure
