"""The command on a small network: a run with places, with numbers, an export alone, a map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.program import Program
from support.report_data import Files, changed_run

from spiketrack.commands.map import map as place
from spiketrack.commands.simulate import simulate
from spiketrack.commands.time import time
from spiketrack.documents.timing import TimeDocument
from spiketrack.errors import ConfigError, DocumentError, SpikeTrackError
from spiketrack.runs.folder import RunFolder
from spiketrack.steps.timing import time as describe
from spiketrack.timing.document import placed
from spiketrack.timing.events import frames_of, read_counts

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recorded(report_files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the small network with every count."""
    run = tmp_path_factory.mktemp("time") / "run"
    simulate(
        report_files.export,
        video=report_files.clip,
        box="200,120,80,100",
        out=run,
        frames=2,
        backend="integer",
        counts="full",
    )
    return run


@pytest.fixture(scope="module")
def chart(report_files: Files, recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / "map.json"
    place(report_files.export, run=recorded, board="3 chips", json=path)
    return path


def test_the_command_writes_what_it_shows(
    recorded: Path, chart: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, page = tmp_path / "t.json", tmp_path / "t.html"
    time(recorded, chart, json=target, timeline=page)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 30
    assert lines[-1].startswith("a frame, pipelined: ")
    found = TimeDocument.read(target)
    assert [branch.name for branch in found.branches] == ["search", "template"]
    assert found.branches[0].events == "recorded"
    assert found.board == "3 chips"
    assert "not measured on a chip" in " ".join(lines)
    assert "step time" in page.read_text() or "time step" in page.read_text()
    search = found.branch("search")
    assert search is not None
    for mode in search.modes:
        assert mode.compute.low <= mode.compute.central <= mode.compute.high
        assert mode.skipped <= mode.serviced == pytest.approx(mode.compute.central)
        assert sum(mode.step_seconds) == pytest.approx(mode.compute.central)
        assert sum(term.seconds for term in mode.terms) == pytest.approx(mode.compute.central)
        assert sum(term.steps for term in mode.terms) == pytest.approx(mode.steps)


def test_messages_of_the_map_are_those_of_the_time(recorded: Path, chart: Path) -> None:
    """Both count each message once for each core, where the run recorded it."""
    drawn = json.loads(chart.read_text())
    found = describe(recorded, chart, frames=99)
    for branch, traffic in zip(found.branches, drawn["branches"], strict=True):
        sent = traffic["traffic"]
        copies = sent["between_cores"] + sent["between_chips"]
        read = next((b.work.host_out for b in found.branches if b.name == branch.name), 0)
        assert branch.work.copies == pytest.approx(copies + read)
        assert branch.work.hops_east_west == pytest.approx(sent["hops_east_west"])
        assert branch.work.hops_north_south == pytest.approx(sent["hops_north_south"])
        assert branch.work.between_chips == pytest.approx(sent["between_chips"])


def test_an_export_alone_is_the_most_there_can_be(report_files: Files, recorded: Path) -> None:
    most, counted = describe(report_files.export), describe(recorded)
    assert (most.run, most.branches[0].events) == (None, "every neuron")
    assert most.branches[0].work.operations > counted.branches[0].work.operations
    assert most.branches[0].modes[0].compute.high > counted.branches[0].modes[0].compute.high
    assert most.kinds[0].kind == "assumed"


def test_a_run_of_totals_spreads_its_events(recorded: Path, tmp_path: Path) -> None:
    totals = changed_run(tmp_path / "totals", recorded, counts="totals")
    found = describe(totals, frames=1)
    assert found.branches[0].events == "spread"
    assert "drawn at random" in found.kinds[0].source


def test_counts_are_read_one_inference_at_a_time(report_files: Files, recorded: Path) -> None:
    run = RunFolder.read(recorded)
    graph = placed(report_files.export, run, None, "loihi2").network.graphs["search"]
    (first, _) = frames_of(run, "search", graph, 2)
    assert first is not None
    again = read_counts(recorded, "search", 0)
    assert all(np.array_equal(first[name], again[name]) for name in again)
    assert set(again) == {node.name for node in graph.populations}


def test_other_rates_and_wrong_inputs(
    report_files: Files, recorded: Path, chart: Path, tmp_path: Path
) -> None:
    slow = describe(recorded, chart, "loihi1").branches[0].modes[0]
    fast = describe(recorded, chart).branches[0].modes[0]
    assert slow.compute.low > fast.compute.low
    with pytest.raises(ConfigError, match="--mode fast: choose one of fall-through, pipelined"):
        time(recorded, mode="fast")
    with pytest.raises(ConfigError, match="nothing: no such table of rates or file"):
        describe(recorded, rates="nothing")
    with pytest.raises(SpikeTrackError, match="operations"):
        describe(report_files.floating)
    other: dict[str, Any] = json.loads(chart.read_text()) | {"network_digest": "0" * 64}
    (tmp_path / "other.json").write_text(json.dumps(other))
    with pytest.raises(DocumentError, match=r"other\.json: places network 000000000000, "):
        describe(recorded, tmp_path / "other.json")


def test_help_has_examples(program: Program) -> None:
    assert "spiketrack time run" in program("time", "--help")
