"""The section on seconds and joules: equal to the documents, in the page and in a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.browser import SETTLED, until
from support.report_data import Files

from spiketrack.documents.energy import EnergyDocument
from spiketrack.documents.timing import TimeDocument
from spiketrack.energy.prices import load_prices
from spiketrack.errors import DocumentError
from spiketrack.inference import SEARCH
from spiketrack.pages.parts import Section
from spiketrack.report import build_report, read_sources, write_html
from spiketrack.report.document import Report
from spiketrack.report.sections.chip import chip_section, most
from spiketrack.steps.price import price
from spiketrack.steps.price import with_whole_frames as whole
from spiketrack.steps.timing import time as describe
from spiketrack.terminal.amounts import joules

pytestmark = pytest.mark.slow

FIGURES = {"whole", "seconds", "step_times", "step_activity", "core_time"}


@pytest.fixture(scope="module")
def times(report_files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``time --json`` of the run, on the placement of the report."""
    path = tmp_path_factory.mktemp("times") / "time.json"
    describe(report_files.run, report_files.placement).write(path)
    return path


@pytest.fixture(scope="module")
def energy(report_files: Files, times: Path) -> EnergyDocument:
    """``energy --json`` of the same."""
    table = load_prices("operations-45nm-fp32")
    return whole(price(report_files.run, table), report_files.run, table, time=times)


@pytest.fixture(scope="module")
def report(report_files: Files, times: Path) -> Report:
    placement = report_files.placement
    return build_report(read_sources(report_files.run, placement=placement, time=times))


def section(report: Report) -> Section:
    return next(part for part in report.sections if part.name == "chip")


def rows_of(report: Report, name: str) -> list[dict[str, Any]]:
    table = next(table for table in section(report).tables if table.name == name)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def check(report: dict[str, list[dict[str, Any]]], energy: Any, seconds: Any) -> None:
    """Rows of the tables by name are those of the documents, as JSON."""
    expected = [row for found in energy["whole"] for row in found["rows"]]
    for row, other in zip(report["whole"], expected, strict=True):
        assert {key: row[key] for key in other} == other
    modes = [mode for branch in seconds["branches"] for mode in branch["modes"]]
    for what, key in (("frame, s", "frame"), ("frames a second", "frames_a_second")):
        named = [row for row in report["time"] if row["what"] == what]
        for row, mode in zip(named, modes, strict=True):
            assert {level: row[level] for level in ("low", "central", "high")} == mode[key]
            assert row["steps"] == mode["steps"]
    bound = [row for mode in modes for row in mode["bindings"]]
    for row, other in zip(report["binding"], bound, strict=True):
        assert {key: row[key] for key in other} == other


def test_no_sentence_speaks_of_one_thing_as_many(report: Report) -> None:
    cards = [part for fact in report.facts for part in (fact.value, fact.detail)]
    lines = [*cards, report.subtitle, *(line for part in report.sections for line in part.text)]
    assert any(" on 1 chip;" in line for line in lines)
    assert [line for line in lines if re.search(r"(?<![\d,.])1 (\w+ )?\w+s\b", line)] == []


def test_operations_are_not_shown_as_all_that_a_frame_spends(
    report: Report, energy: EnergyDocument
) -> None:
    cards = {fact.label: fact for fact in report.facts}
    assert "energy a frame" not in cards
    assert cards["operations of a frame"].value == joules(energy.total.energy_pj)
    (spent,) = (row for row in energy.whole if row.branch == SEARCH)
    card = cards["all that its chips spend"]
    assert card.value == f"{joules(spent.low_pj)} to {joules(spent.high_pj)}"
    assert spent.dominates in card.detail
    parts = {row.part for row in spent.rows}
    (limits,) = (part for part in report.sections if part.name == "unsupported")
    left_out = ", ".join(str(row[1]) for row in limits.tables[0].rows)
    assert "static power" in parts
    assert "static power" not in left_out


def test_one_part_that_is_the_largest_is_named_once(energy: EnergyDocument) -> None:
    (spent,) = (row for row in energy.whole if row.branch == SEARCH)
    same = spent.model_copy(update={"dominates": "static power", "least": "static power"})
    assert most(same) == "most of it is static power, in both estimates"
    other = same.model_copy(update={"dominates": "neurons that rest"})
    ends = "most of the high estimate is neurons that rest, of the low one static power"
    assert most(other) == ends


def test_tables_are_the_documents(report: Report, energy: EnergyDocument, times: Path) -> None:
    tables = {name: rows_of(report, name) for name in ("whole", "time", "binding")}
    check(tables, energy.to_json(), json.loads(times.read_text()))
    assert {figure.name for figure in section(report).figures} == FIGURES
    text = " ".join(section(report).text)
    assert "not measured on a chip" in text
    assert energy.whole[0].dominates in text


def test_bars_are_the_rows(report: Report, energy: EnergyDocument) -> None:
    (figure,) = (f for f in section(report).figures if f.name == "whole")
    for (_, plot), found in zip(figure.variants, energy.whole, strict=True):
        for bar, row in zip(plot.data, found.rows, strict=True):
            assert bar.name == row.part
            assert [1e9 * value for value in bar.y] == pytest.approx([row.low_pj, row.high_pj])


def test_each_step_has_its_activity(report: Report, times: Path) -> None:
    """The lines are the document's, and add up to the work of a frame."""
    (figure,) = (f for f in section(report).figures if f.name == "step_activity")
    branches = json.loads(times.read_text())["branches"]
    for (_, plot), branch in zip(figure.variants, branches, strict=True):
        drawn = {line.name: list(line.y) for line in plot.data}
        assert drawn.keys() == branch["activity"].keys()
        for name, values in branch["activity"].items():
            assert drawn[name] == pytest.approx(values, abs=0.01)
        for name in ("updates", "operations", "messages"):
            assert sum(branch["activity"][name]) == pytest.approx(branch["work"][name])
        assert sum(branch["activity"]["bits"]) > sum(branch["activity"]["messages"])


def test_without_seconds_it_says_how_to_get_them(report_files: Files) -> None:
    found = chip_section(read_sources(report_files.run))
    assert found.commands == ("spiketrack time run --json time.json",)
    assert not found.tables


def test_seconds_of_another_run_are_refused(
    report_files: Files, times: Path, tmp_path: Path
) -> None:
    other = TimeDocument.read(times).model_copy(update={"run_digest": "0" * 64})
    other.write(tmp_path / "other.json")
    with pytest.raises(DocumentError, match=r"other\.json: seconds of another run than "):
        read_sources(report_files.run, time=tmp_path / "other.json")


@pytest.mark.browser
def test_the_browser_shows_the_same(
    page: Any, report: Report, energy: EnergyDocument, times: Path, tmp_path: Path
) -> None:
    """Every figure is drawn; what the tables hold is what the documents say."""
    write_html(report, tmp_path / "report.html")
    page.goto((tmp_path / "report.html").as_uri())
    until(page, SETTLED)
    for name in FIGURES:
        assert page.locator(f"figure[data-figure='{name}'] svg").count()
    shown = page.query_selector_all("details[data-table='whole'] tbody tr")
    held = json.loads(page.text_content("#page-data"))["tables"]
    assert len(shown) == sum(len(found.rows) for found in energy.whole)
    tables = {
        name: [dict(zip(held[name]["columns"], row, strict=True)) for row in held[name]["rows"]]
        for name in ("whole", "time", "binding")
    }
    check(tables, energy.to_json(), json.loads(times.read_text()))
