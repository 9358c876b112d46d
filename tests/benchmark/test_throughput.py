"""What measures evaluations: its sequences, what it finds on a cluster, what it reckons."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from support.jobs import small_job
from support.paths import ROOT

from spiketrack.benchmark.throughput import Watched, many, write_sequences
from spiketrack.evaluation.advice import Pace, advise, measure, workers


def test_sequences_share_their_pictures(tmp_path: Path) -> None:
    found = write_sequences(tmp_path / "otb", 3, 4, (64, 48))
    assert [s.name for s in found] == ["s0000", "s0001", "s0002"]
    assert {len(s.images) for s in found} == {4}
    assert found[0].images[2].samefile(found[2].images[2])
    assert found[1].visible.all()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of Dask and tornado
def test_many_sequences_on_dask(tmp_path: Path) -> None:
    """All of them are there; bench --throughput --sequences 2000 measures."""
    said: list[str] = []
    rows = {row.measure: row for row in many(small_job(tmp_path), 120, said.append)}
    assert (rows["sequences on Dask"].value, rows["sequences on Dask"].unit) == (120, "of 120")
    assert (rows["seconds for all"].value or 0) > 0
    assert (rows["memory of the client"].value or 0) > 0.05
    assert said == ["120 sequences on Dask: writing them", "120 sequences on Dask"]


def test_memory_is_looked_at() -> None:
    watched = Watched()
    watched.look()
    assert watched.most >= 0


def test_how_many_workers() -> None:
    """As many as end soonest; a start must pay, memory and cores must hold them."""
    pace = Pace(frame=0.01, start=5.0, memory=10**9)
    assert workers(pace, 100, 10, 8, 10**11) == 1  # a second of work, five to start
    assert workers(pace, 10**6, 280, 8, 10**11) == 8
    assert workers(pace, 10**6, 3, 8, 10**11) == 3
    assert workers(pace, 10**6, 280, 8, 4 * 10**9) == 3  # 0.8 of the memory
    assert workers(pace, 10**6, 280, 1.5, 10**11) == 1


@pytest.mark.slow
def test_a_pace_is_measured(tmp_path: Path) -> None:
    job = small_job(tmp_path)
    pace = measure(job)
    assert pace.frame > 0
    assert pace.start > 4
    assert pace.memory > 10**7
    assert advise(job, 100, 1) == (1, "")


def test_hours_of_lasot() -> None:
    """By hand: 685,360 frames at 10 ms are 1.904 h; on 64 workers the longest sequence binds."""
    reckoned = runpy.run_path(str(ROOT / "benchmarks" / "lasot_hours.py"))
    assert reckoned["hours"](0.01, 1) == pytest.approx((6853.6 + 14) / 3600)
    assert reckoned["hours"](0.01, 64) == pytest.approx((113.97 + 14 / 64) / 3600)
    text = (
        "| nano | search | integer | 9.317 | ms | 9.2 … 9.5 |\n| nano | search | lava over float |"
    )
    assert reckoned["paces"](text) == {"nano": {"integer": pytest.approx(9.317e-3)}}
