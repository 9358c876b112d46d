"""A run opened: sheets against what the commands wrote, figures, errors by their message."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as pyplot
import numpy as np
import pytest
from support.program import Program
from support.report_data import Files

import spiketrack
from spiketrack.energy.prices import load_prices
from spiketrack.errors import ConfigError, MissingDependency, SpikeTrackError
from spiketrack.integer.costs.formulas import FIELDS
from spiketrack.notebook.sheet import Sheet
from spiketrack.runs.folder import RunFolder
from spiketrack.surface.run import Run

pytestmark = pytest.mark.slow

MINE = """
name: mine
version: 1
execution: graded
prices:
  ac: {pj: 2.0, source: "test"}
"""


@pytest.fixture
def run(report_files: Files) -> Run:
    return spiketrack.open_run(str(report_files.run))


def test_a_run_in_one_line(run: Run) -> None:
    assert repr(run) == f"Run({run.path}: custom on inline, 6 frames of clip)"
    assert "inline" in run._repr_html_()
    assert run.boxes.columns == ("frame", "x", "y", "w", "h", "score")
    expected = [(row.frame, *row.box.as_tuple(), row.score) for row in run.folder.boxes()]
    assert list(run.boxes.rows) == expected


@pytest.mark.parametrize("branch", ["search", "template"])
def test_operations_add_up(run: Run, branch: str) -> None:
    """Layers, stages and the file itself hold the same numbers."""
    recorded = RunFolder.read(run.path).counts()[branch]
    found = run.operations(branch)
    for index, key in enumerate(FIELDS):
        whole = recorded.operations[:, :, index].sum() / len(recorded.operations)
        for sheet in (found.by_layer, found.by_stage):
            assert sum(sheet[key]) == pytest.approx(whole)
    assert found.by_layer["name"] == list(recorded.layers.names)
    assert sum(found.by_stage["layers"]) == len(recorded.layers)
    assert found.by_stage["stage"][-1] in ("head", "retrieval")
    assert repr(found) == f"Operations({run.path}: {branch} branch, {len(found.by_layer)} layers)"


def test_the_run_itself_shows_its_operations(run: Run) -> None:
    assert run.by_layer.rows == run.operations().by_layer.rows
    assert run.by_stage.rows == run.operations().by_stage.rows
    frame = run.to_frame()
    assert list(frame.columns) == list(run.by_layer.columns)
    assert frame["spikes"].sum() == pytest.approx(sum(run.by_stage["spikes"]))


def test_rates_are_those_of_the_counts(report_files: Files, tmp_path: Path) -> None:
    """Every count is read again and averaged by hand."""
    export, out = report_files.run, tmp_path / "run"
    run = spiketrack.simulate(export, out, frames=2, backend="integer", counts="full")
    rates = run.rates()
    with run.counts() as counts:
        for row in rates.by_layer:
            recorded = counts[row["name"]]
            assert row["firing_rate"] == pytest.approx((recorded > 0).mean())
            assert row["mean_count"] == pytest.approx(recorded.mean())
            each = (recorded > 0).reshape(len(recorded), -1).mean(1)
            assert row["lowest_rate"] == pytest.approx(each.min())
            assert row["highest_rate"] == pytest.approx(each.max())
            assert row["neurons"] == recorded[0].size
        by_hand: dict[str, list[Any]] = {}
        for row in rates.by_layer:
            by_hand.setdefault(row["stage"], []).append(counts[row["name"]].ravel())
    for row in rates.by_stage:
        whole = np.concatenate(by_hand.pop(row["stage"]))
        assert row["firing_rate"] == pytest.approx((whole > 0).mean())
        assert row["mean_count"] == pytest.approx(whole.mean())
    assert not by_hand
    assert "populations, mean 0." in repr(rates)


def test_energy_is_that_of_the_command(run: Run, tmp_path: Path, program: Program) -> None:
    path, table = tmp_path / "energy.json", tmp_path / "energy.csv"
    name = "operations-loihi1"
    program("energy", run.path, "--prices", name, "--json", path, "--csv", table)
    energy = run.energy(name, whole=True)
    assert energy.document.to_json() == json.loads(path.read_text())
    with table.open() as file:
        written = {row["name"]: row for row in csv.DictReader(file) if row["branch"] == "search"}
    assert len(energy.by_layer) == len(written)
    for row in energy.by_layer:
        assert row["energy_pj"] == pytest.approx(float(written[row["name"]]["energy_pj"]))
    for sheet in (energy.by_layer, energy.by_stage, energy.by_kind):
        assert sum(sheet["energy_pj"]) == pytest.approx(energy.pj)
        assert sum(sheet["energy_share"]) == pytest.approx(1)
    assert energy.to_frame()["energy_pj"].sum() == pytest.approx(energy.pj)
    assert energy.tables.row(name)["energy_pj"] == pytest.approx(energy.pj)
    assert len(energy.template) == len(energy.document.template.layers)
    assert repr(energy).startswith(f"RunEnergy({run.path}: ")
    assert f"a frame, {name} 1, spike)" in repr(energy)
    written_whole = {part["branch"]: part for part in json.loads(path.read_text())["whole"]}
    for branch, part in written_whole.items():
        rows = [row for row in energy.whole if row["branch"] == branch]
        assert sum(row["high_pj"] for row in rows) == pytest.approx(part["high_pj"])
    with pytest.raises(SpikeTrackError, match=r"no energy of whole frames; ask for it with"):
        run.energy(name).whole  # noqa: B018
    assert "modelled" in energy._repr_html_()


def test_prices_of_ones_own(run: Run, tmp_path: Path) -> None:
    """A file, a path and a value are the same table; an accumulation costs what it says."""
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    made = [run.energy(prices) for prices in (path, str(path), load_prices(str(path)))]
    assert len({energy.pj for energy in made}) == 1
    assert made[0].pj == pytest.approx(2 * sum(run.by_layer["ac_graded"]))
    assert made[0].dense_pj is None
    with pytest.raises(ConfigError, match="no such price table or file; there are operations-45nm"):
        run.energy("nothing")


def test_figures(run: Run) -> None:
    """Bars are as long as the sheets say, in the unit of the axis; axes of one's own are used."""
    energy = run.energy()
    figure = energy.figure()
    (axes,) = figure.axes
    stages = energy.by_stage
    assert [label.get_text() for label in axes.get_yticklabels()] == stages["stage"]
    ends = [0.0] * len(stages)
    for bar in axes.patches:
        row = round(bar.get_y() + bar.get_height() / 2)
        ends[row] = max(ends[row], bar.get_x() + bar.get_width())
    scale = {"nJ": 1e3, "µJ": 1e6, "mJ": 1e9}[axes.get_xlabel().split(",")[1].split()[0]]
    assert np.array(ends) * scale == pytest.approx(stages["energy_pj"])
    mine, mine_axes = pyplot.subplots()
    assert run.rates().figure(mine_axes) is mine
    assert len(mine_axes.patches) == len(run.rates().by_stage)
    pyplot.close(mine)


def test_what_is_not_installed_or_not_there(
    run: Run, report_files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SpikeTrackError, match="no operations of branch 'head'; runs have"):
        run.rates("head")
    floating = spiketrack.open_run(report_files.floating)
    with pytest.raises(SpikeTrackError, match="made on float, which counts no operations"):
        floating.by_layer  # noqa: B018
    with pytest.raises(SpikeTrackError, match="no such run folder"):
        spiketrack.open_run(tmp_path / "nothing")
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingDependency, match=r"spiketrack-loihi\[notebook\]"):
        run.rates().figure()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependency, match=r"spiketrack-loihi\[notebook\]"):
        run.to_frame()


def test_sheets_are_public() -> None:
    assert spiketrack.Sheet is Sheet
