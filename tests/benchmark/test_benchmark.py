"""The benchmark: its arithmetic, its rows, and what Lava's own convolution gets wrong."""

from __future__ import annotations

import json
import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.one_layer import conv_graph
from support.random_graphs import tiny_model
from support.synthetic_clips import moving_patch, write_images

from spiketrack.benchmark import measure, tasks
from spiketrack.benchmark.machine import describe
from spiketrack.benchmark.measure import Setting
from spiketrack.benchmark.results import (
    Document,
    Findings,
    Result,
    line_fit,
    quartiles,
    timed,
)
from spiketrack.benchmark.stock import measure_stock
from spiketrack.benchmark.tasks import TASKS, memory_in_use
from spiketrack.benchmark.worker import run
from spiketrack.cli import main
from spiketrack.commands.bench import _show_summary
from spiketrack.config import TrackerConfig
from spiketrack.errors import SpikeTrackError
from spiketrack.integer.graph import Graph
from spiketrack.reference.checkpoint import save_checkpoint


def test_quartiles_and_medians() -> None:
    assert quartiles([3.0]) == (3.0, 3.0, 3.0)
    assert quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 3.0, 4.0)
    row = timed("nano", "search", "lava", [0.001, 0.002, 0.003])
    assert (row.value, row.unit, row.low, row.high) == (2.0, "ms", 1.5, 2.5)
    assert Result("nano", "search", "lava_over_float", ratio=0.5).as_dict() == {
        "variant": "nano",
        "branch": "search",
        "measure": "lava_over_float",
        "ratio": 0.5,
    }


def test_a_straight_line_is_recognised() -> None:
    slope, r_squared = line_fit([(1.0, 5.0), (2.0, 7.0), (4.0, 11.0)])
    assert slope == pytest.approx(2)
    assert r_squared == pytest.approx(1)
    assert line_fit([(1.0, 1.0), (2.0, 8.0), (3.0, 1.0)])[1] < 0.1


def test_the_machine_is_described() -> None:
    found = describe()
    assert found["cores"] == str(os.cpu_count())
    assert {"processor", "memory", "torch", "lava-nc", "numba"} <= set(found)


def test_memory_counts_shared_pages_once() -> None:
    before = memory_in_use()
    block = np.ones(2**22)
    assert 0.5 * block.nbytes < memory_in_use() - before < 2 * block.nbytes


@pytest.mark.slow
def test_a_measurement_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpikeTrackError, match=r"bench: the measurement stock of \{\} failed: "):
        run("stock", tmp_path, {})


@pytest.mark.slow
def test_stock_convolutions_are_judged() -> None:
    graphs = [conv_graph(seed, groups, 3, 1, 1) for seed, groups in ((1, 1), (2, 130), (3, 256))]
    rows = []
    with warnings.catch_warnings():
        # networkx reports an absent pandas; Lava divides by a number of groups that wrapped
        warnings.simplefilter("ignore")
        for graph in graphs:
            rows += measure_stock(Graph("search", graph.nodes))
    wrapped = "fails" if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else "wrong"  # int8(256)
    assert [row["verdict"].split(":")[0] for row in rows] == ["right", "fails", wrapped]
    assert rows[0]["ratio"] > 1
    assert rows[1]["ratio"] is None


def test_a_clip_that_fails_midway_is_measured_up_to_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, boxes = moving_patch(16)
    write_images(tmp_path / "frames", frames)
    (tmp_path / "frames" / "0015.png").write_bytes(b"no image")
    asked: list[int] = []

    def measure(names: object, read: object, folder: object, setting: Setting, tell: object) -> Any:
        asked.append(setting.frames)
        yield Findings()

    monkeypatch.setattr("spiketrack.benchmark.measure.measure", measure)
    save_checkpoint(tmp_path / "tiny.safetensors", tiny_model(1), TrackerConfig())
    box = ",".join(f"{value:g}" for value in boxes[0].as_tuple())
    options = ["--checkpoint", str(tmp_path / "tiny.safetensors"), "--box", box, "--frames", "15"]
    report = tmp_path / "bench.json"
    with pytest.raises(SystemExit) as ended:
        main(["bench", *options, "--video", str(tmp_path / "frames"), "--json", str(report)])
    assert ended.value.code == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "0015.png: unreadable frame" in told
    assert told.endswith("the 13 frames tracked before are kept")
    assert asked == [13] == [json.loads(report.read_text())["frames"]]


def test_a_network_is_written_before_the_next_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(names: object, read: object, folder: object, setting: Setting, tell: object) -> Any:
        yield Findings([timed("first", "search", "lava", [0.002])])
        raise SpikeTrackError("bench: the measurement repeat of the second failed: killed")

    monkeypatch.setattr("spiketrack.benchmark.measure.measure", measure)
    names = [str(tmp_path / f"{name}.safetensors") for name in ("first", "second")]
    for name in names:
        save_checkpoint(Path(name), tiny_model(1), TrackerConfig())
    page, out = tmp_path / "page.md", tmp_path / "bench.json"
    page.write_text("<!-- bench: begin -->\n<!-- bench: end -->\n")
    options = ["--frames", "10", "--json", str(out), "--into", str(page)]
    with pytest.raises(SystemExit) as ended:
        main(["bench", "--checkpoint", names[0], "--checkpoint", names[1], *options])
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert "second failed: killed" in " ".join(shown.err.split())
    assert [line.split()[0] for line in shown.out.splitlines() if "search" in line] == ["first"]
    assert [row["variant"] for row in json.loads(out.read_text())["results"]] == ["first"]
    assert "| first | search | lava | 2 | ms |" in page.read_text()


@pytest.mark.parametrize("layers", [(), ("--layers",)])
def test_a_network_that_was_measured_is_shown_where_its_file_cannot_be_written(
    layers: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def measure(names: object, read: object, folder: object, setting: Setting, tell: object) -> Any:
        yield Findings([timed("first", "search", "lava", [0.002])])

    monkeypatch.setattr("spiketrack.benchmark.measure.measure", measure)
    save_checkpoint(tmp_path / "first.safetensors", tiny_model(1), TrackerConfig())
    options = ["--frames", "10", "--json", "/dev/full", *layers]
    with pytest.raises(SystemExit) as ended:
        main(["bench", "--checkpoint", str(tmp_path / "first.safetensors"), *options])
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert "the disk is full" in shown.err
    assert [line.split()[0] for line in shown.out.splitlines() if "search" in line] == ["first"]


def mostly_here(task: str, folder: Path, options: Document, spin: bool = False) -> Document:
    """As ``worker.run``; one repetition alone gets a process of its own, which takes seconds."""
    if options.get("backend") == "float":
        return run(task, folder, options, spin)
    done: Document = json.loads(json.dumps(TASKS[task](folder, options)))
    return done


@pytest.mark.slow
def test_bench_writes_every_measure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "THREADS", (1,))  # one process a backend
    monkeypatch.setattr(measure, "FEW", 1)
    monkeypatch.setattr(measure, "run", mostly_here)
    for name in ("ROUNDS", "WARM_UP", "TEMPLATES"):
        monkeypatch.setattr(tasks, name, 1)
    save_checkpoint(tmp_path / "tiny.safetensors", tiny_model(1), TrackerConfig())
    out = tmp_path / "bench.json"
    options = ["--frames", "10", "--soak", "0", "--layers", "--json", str(out)]
    with pytest.raises(SystemExit) as ended:
        main(["bench", "--checkpoint", str(tmp_path / "tiny.safetensors"), *options])
    assert ended.value.code == 0
    document = json.loads(out.read_text())
    found = {(row["branch"], row["measure"]): row for row in document["results"]}
    for branch in ("search", "template"):
        assert found[branch, "lava_over_inline"]["ratio"] > 0
        assert found[branch, "integer_over_onnx_float"]["ratio"] > 0
        for name in ("lava", "inline", "integer", "chip", "onnx", "onnx_float", "lava_chip"):
            assert found[branch, f"{name}_over_float"]["ratio"] > 0
            assert found[branch, name]["unit"] == "ms"
    for name in (
        "float_over_convolutions",
        "recording_over_plain",
        "recording_every_count_over_plain",
    ):
        assert found["search", name]["ratio"] > 0
    assert found["both", "peak_memory"]["unit"] == "GB"
    assert found["both", "chip_memory"]["value"] > 0
    assert found["both", "lava_chip_memory"]["value"] > 0
    assert found["both", "start"]["value"] > 0
    assert found["both", "stored_bytes_per_weight"]["value"] > 1
    (detail,) = document["details"]
    assert detail["processes"] >= 30
    assert set(detail["shares"]) == {"arithmetic", "messages", "waiting"}
    assert len(detail["slowest_layers"]) == 10
    shown = capsys.readouterr().out
    assert "lava over float" in shown
    assert "slowest processes on Lava" in shown


def test_the_summary_has_a_line_for_each_network_and_branch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [
        Result("nano", "search", "lava", value=40.0),
        Result("nano", "search", "float", value=20),
    ]
    rows += [Result("nano", "search", "lava_over_float", ratio=2.0)]
    _show_summary(Findings(results=rows))
    shown = capsys.readouterr().out
    assert "lava ÷ float" in shown
    (line,) = [line for line in shown.splitlines() if "nano" in line]
    assert [float(value) for value in re.findall(r"\d+(?:\.\d+)?", line)] == [20, 40, 2]
    assert "--layers" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--frames", "5"], "--frames 5: a median needs at least 10"),
        (["--against", "torch"], "--against torch: choose stock"),
        (["--checkpoint", "absent.pth"], "absent.pth"),
    ],
)
def test_wrong_options_are_named(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *options])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
