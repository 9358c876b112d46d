"""Long values and long legends keep within the page, on a phone as on a desk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from support.browser import SETTLED, until

from spiketrack.pages import Figure, Page, Section, Table, write_page
from spiketrack.pages.plots import blank

pytestmark = pytest.mark.browser
NAMES = [f"updates of relays and products, part {i}" for i in range(8)]


@pytest.fixture
def shown(page: Any, tmp_path: Path) -> Any:
    """A table whose sources are sentences, and a plot whose legend stands beside it."""
    rows = [
        {"kind": f"kind {i % 3}", "source": f"{i % 2} " + "a long sentence " * 30, "value": i}
        for i in range(20)
    ]
    plot = blank("", "mJ", 420, barmode="stack")
    for name in NAMES:
        plot.add_trace(go.Bar(name=name, x=["low", "high"], y=[1, 2]))
    plot.update_layout(legend={"orientation": "v", "x": 1.01, "y": 1, "yanchor": "top"})
    tables = (Table.of("rows", "Rows", rows, unfolded=True),)
    section = Section("one", "One", (), (Figure("bars", "Bars", (("", plot),)),), tables)
    write_page(Page("t", "s", "n", [], [section]), tmp_path / "page.html")
    page.goto((tmp_path / "page.html").as_uri())
    until(page, SETTLED)
    return page


@pytest.mark.parametrize("size", [(400, 800), (1400, 900)])
def test_a_long_value_never_widens_the_page(shown: Any, size: tuple[int, int]) -> None:
    shown.set_viewport_size({"width": size[0], "height": size[1]})
    width, whole = shown.evaluate(
        "[document.documentElement.clientWidth, document.documentElement.scrollWidth]"
    )
    assert whole == width
    names = shown.evaluate(
        "[...document.querySelectorAll('.filters select')].map((one) => one.name)"
    )
    assert names == ["kind"]  # a choice of sentences is none


@pytest.mark.parametrize("anew", [True, False], ids=["opened so", "made narrow"])
def test_on_a_phone_a_legend_lies_below_its_plot(shown: Any, anew: bool) -> None:
    shown.set_viewport_size({"width": 400, "height": 800})
    if anew:
        shown.reload()
        until(shown, SETTLED)
    else:
        shown.wait_for_timeout(1500)
    legend, bars = shown.evaluate(
        "['.legend', '.barlayer'].map((name) => {"
        " const box = document.querySelector(name).getBoundingClientRect();"
        " return [box.left, box.right, box.top, box.bottom]; })"
    )
    assert legend[2] >= bars[3]
    assert bars[1] - bars[0] > 150
    end = shown.evaluate("document.querySelector('.plot').getBoundingClientRect().bottom")
    assert legend[3] <= end + 1
