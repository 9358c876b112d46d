"""The report as people look at it: accessible, on a phone, in print, whole without scrolling."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import SETTLED, until, violations

pytestmark = pytest.mark.browser
PRINTED = 20


def settled(page: Any, report: Path) -> None:
    page.goto(report.as_uri())
    until(page, SETTLED)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: Any, report_page: Path, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    settled(page, report_page)
    assert violations(page) == []
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    until(page, "[...document.querySelectorAll('details')].every((d) => d.querySelector('tr'))")
    assert violations(page) == []


def test_all_is_drawn_without_scrolling(page: Any, report_page: Path) -> None:
    settled(page, report_page)
    assert page.evaluate("scrollY") == 0
    empty = page.evaluate(
        "[...document.querySelectorAll('figure[data-figure]')]"
        ".filter((one) => !one.querySelector('.main-svg')).map((one) => one.dataset.figure)"
    )
    assert empty == []


@pytest.fixture
def opened(browser: Any, report_page: Path) -> Iterator[Any]:
    """The report in a page that may complain: what is refused is told on the console."""
    found = browser.new_page()
    settled(found, report_page)
    yield found
    found.close()


def test_no_button_leads_to_a_server(opened: Any) -> None:
    titles = opened.evaluate(
        "[...document.querySelectorAll('.modebar-btn')].map((one) => one.dataset.title)"
    )
    assert titles
    assert not [title for title in titles if "hare" in title or "loud" in title]
    opened.evaluate("window.windows = 0; window.open = () => { window.windows += 1; }; 0")
    opened.evaluate(
        "Plotly.Plots.sendDataToCloud(document.querySelector('.plot'), 'https://example.org/')"
    )
    assert opened.evaluate("window.windows") == 0


def test_nothing_can_be_fetched(opened: Any) -> None:
    asked = "fetch('https://example.org/').then(() => 'sent', (error) => error.name)"
    assert opened.evaluate(asked) == "TypeError"


def test_a_script_from_elsewhere_does_not_run(opened: Any) -> None:
    opened.evaluate(
        "document.body.append(Object.assign(document.createElement('script'),"
        " {textContent: 'window.foreign = 1'}))"
    )
    assert opened.evaluate("window.foreign") is None


def test_a_phone_shows_all_in_its_width(page: Any, report_page: Path) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    settled(page, report_page)
    width, whole = page.evaluate(
        "[document.documentElement.clientWidth, document.documentElement.scrollWidth]"
    )
    assert whole == width
    assert page.locator(".modebar-btn").count() == 0
    told = page.locator("details[data-table='energy'] .more")
    assert told.is_visible()  # the table says that it scrolls
    assert page.locator("figure[data-drawing='network'] .more").is_visible()
    for figure in ("energy", "resident", "traffic"):  # slanted names of stages do not touch
        places = page.evaluate(
            f"[...document.querySelectorAll('figure[data-figure={figure}] .xtick text')]"
            ".map((name) => name.getBoundingClientRect().right)"
        )
        assert len(places) > 2
        assert min(b - a for a, b in itertools.pairwise(sorted(places))) >= 20


@pytest.mark.parametrize("media", ["screen", "print"])
def test_every_legend_is_whole(page: Any, report_page: Path, media: str) -> None:
    settled(page, report_page)
    page.emulate_media(media=media)
    page.wait_for_timeout(1500)
    cut = page.evaluate(
        "[...document.querySelectorAll('.legend .scrollbar')]"
        ".filter((bar) => bar.getBBox().height > 0)"
        ".map((bar) => bar.closest('figure').dataset.figure)"
    )
    assert cut == []


def test_a_window_made_wide_again_shows_the_cores_as_large(page: Any, report_page: Path) -> None:
    seen = "document.querySelector('figure[data-figure=cores] .plot')._fullLayout.xaxis.range"
    page.set_viewport_size({"width": 1400, "height": 900})
    settled(page, report_page)
    first = page.evaluate(seen)
    for width in (400, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(1500)
    assert page.evaluate(seen) == first


def test_print_shows_the_largest_layers_and_a_tracked_frame(page: Any, report_page: Path) -> None:
    settled(page, report_page)
    tables = json.loads(page.text_content("#page-data"))["tables"]
    columns, rows = tables["energy"]["columns"], tables["energy"]["rows"]
    name, energy, branch = (columns.index(key) for key in ("name", "energy_pj", "branch"))
    page.emulate_media(media="print")
    body = "details[data-table='energy'] tbody tr"
    until(page, f'document.querySelectorAll("{body}").length === {PRINTED + 1}')
    shown = page.evaluate(
        f'[...document.querySelectorAll("{body} td:first-child")].map((c) => c.textContent)'
    )
    search = sorted((r for r in rows if r[branch] == "search"), key=lambda r: -r[energy])
    assert shown[:-1] == [row[name] for row in search[:PRINTED]]
    assert shown[-1].startswith(f"the largest {PRINTED} of {len(search)} rows")
    total = page.text_content("details[data-table='energy'] tfoot td:first-child")
    assert total == f"sum of {len(search)} rows"
    until(page, "document.getElementById('stage').dataset.frame !== '0'")
    page.emulate_media(media="screen")
    until(page, "document.getElementById('stage').dataset.frame === '0'")


def test_a_block_of_the_drawing_leads_to_its_rows(page: Any, report_page: Path) -> None:
    settled(page, report_page)
    link = page.locator("a[data-rows='encoder.mrm.1'][data-branch='template']")
    link.focus()
    page.keyboard.press("Enter")
    cells = page.query_selector_all("details[data-table='energy'] tbody td:first-child")
    names = [cell.text_content() for cell in cells]
    assert names
    assert all(name.startswith("encoder.mrm.1.") for name in names)
    branches = page.query_selector_all("details[data-table='energy'] tbody td:nth-child(3)")
    assert {cell.text_content() for cell in branches} == {"template"}
    assert page.evaluate("document.activeElement.type") == "search"


def test_what_fires_follows_the_slider(page: Any, report_page: Path) -> None:
    settled(page, report_page)
    tables = json.loads(page.text_content("#page-data"))["tables"]
    events = {row[0]: row[1:] for row in tables["events_search"]["rows"]}
    rates = tables["rates"]
    keys = [rates["columns"].index(key) for key in ("branch", "population", "neuron_steps")]
    steps = {row[keys[1]]: row[keys[2]] for row in rates["rows"] if row[keys[0]] == "search"}
    page.fill("#slider", "3")
    page.wait_for_selector("#stage[data-frame='3']")
    mean = sum(series[2] / steps[name] for name, series in events.items()) / len(events)
    assert f"mean firing rate {100 * mean:.1f} %" in page.text_content("#firing-told")
    first = page.evaluate("document.querySelector('#maps canvas').toDataURL()")
    page.fill("#slider", "6")
    page.wait_for_selector("#stage[data-frame='6']")
    assert page.evaluate("document.querySelector('#maps canvas').toDataURL()") != first
