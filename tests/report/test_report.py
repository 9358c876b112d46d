"""The report: what goes into its document, and the sections whose input is missing."""

from __future__ import annotations

import base64
import json
import shlex
from pathlib import Path

import cv2
import numpy as np
import plotly.io
import pytest
import typer
from support.report_data import (
    START,
    Files,
    Size,
    boxes,
    placement,
    write_all,
    write_clip,
    write_run,
)
from typer.testing import CliRunner

from spiketrack.commands.energy import energy as energy_command
from spiketrack.commands.report import report as report_command
from spiketrack.errors import MissingDependency, SpikeTrackError
from spiketrack.integer.costs.formulas import FIELDS
from spiketrack.report import Report, build_report, pictures, read_sources, write_html, write_pngs
from spiketrack.report.activity import Activity, stage
from spiketrack.report.commands import simulate_command
from spiketrack.report.document import Table
from spiketrack.report.network_figures import core_grid
from spiketrack.report.page import embed, render
from spiketrack.report.pictures import encode, read_pictures
from spiketrack.runs.operations import read_run

SIZE = Size()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return write_all(tmp_path_factory.mktemp("report"), SIZE)


@pytest.fixture(scope="module")
def full(files: Files) -> Report:
    sources = read_sources(files.run, (files.other,), files.verify, files.placement)
    return build_report(sources)


def table(report: Report, name: str) -> Table:
    return next(found for found in report.tables if found.name == name)


def text(report: Report, section: str) -> str:
    found = next(part for part in report.sections if part.name == section)
    return " ".join([*found.text, *found.commands])


# what the tables hold


def test_energy_table_is_the_energy_document(full: Report, files: Files, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(energy_command)
    path = tmp_path / "energy.json"
    assert CliRunner().invoke(app, [str(files.run), "--json", str(path)]).exit_code == 0
    found = json.loads(path.read_text())
    rows = found["layers"] + found["template"]["layers"]
    shown = table(full, "energy")
    assert set(shown.columns) == set(rows[0])
    assert [dict(zip(shown.columns, row, strict=True)) for row in shown.rows] == rows


def test_runs_side_by_side_give_the_ratio(full: Report) -> None:
    shown = table(full, "comparison")
    rows = [dict(zip(shown.columns, row, strict=True)) for row in shown.rows]
    priced = [row for row in rows if row["energy_pj run"]]
    assert priced
    for row in priced:
        expected = row["energy_pj other"] / row["energy_pj run"]  # type: ignore[operator]
        assert row["ratio other"] == pytest.approx(expected)
    assert all(row["ratio other"] is None for row in rows if not row["energy_pj run"])


def test_activity_against_a_loop(files: Files) -> None:
    branch = read_run(files.run)["search"]
    found = Activity.of(branch)
    at = {name: index for index, name in enumerate(FIELDS)}
    assert len(found.names) == SIZE.search
    for row, name in enumerate(found.names):
        layer = branch.layers.names.index(name)
        for frame in range(SIZE.frames):
            numbers = branch.operations[frame, layer]
            updates = numbers[at["neuron_updates"]]
            assert found.rate[row, frame] == numbers[at["events"]] / updates
            assert found.mean_count[row, frame] == numbers[at["spikes"]] / updates
    assert sum(found.by_stage().values()).sum() == found.spikes.sum()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("encoder.mrm.2.retriever.q_spike", "encoder.mrm.2"),
        ("encoder.block3.5.attn.q_spike", "encoder.block3"),
        ("decoder.ctr1_spike", "decoder"),
    ],
)
def test_stage(name: str, expected: str) -> None:
    assert stage(name) == expected


def test_counts_of_every_frame(full: Report, files: Files) -> None:
    branch = read_run(files.run)["search"]
    shown = table(full, "spikes_search")
    assert shown.columns[:2] == ("population", "frame_1")
    assert len(shown.columns) == 1 + SIZE.frames
    spikes = branch.field("spikes")[:, [k == "neuron" for k in branch.layers.kinds]]
    assert [list(row[1:]) for row in shown.rows] == spikes.T.tolist()


def test_unsupported_lists_prices_and_formats(full: Report) -> None:
    what = [row[1] for row in table(full, "unsupported").rows]
    assert {"joules of Loihi 2", "neuron_update_active", "memory_read"} <= set(what)
    assert "netx/a.net: 4 nodes" in what


@pytest.mark.parametrize(("cores", "per_chip"), [(1, 128), (70, 120), (1000, 122)])
def test_every_core_has_its_own_place(cores: int, per_chip: int) -> None:
    x, y, (height, width) = core_grid(placement(Size(cores=cores), per_chip))
    assert len(set(zip(x.tolist(), y.tolist(), strict=True))) == cores
    assert 0 <= x.min() <= x.max() < width
    assert 0 <= y.min() <= y.max() < height


def test_command_repeats_the_run(files: Files) -> None:
    words = shlex.split(simulate_command(read_sources(files.run).run))
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert words[:2] == ["spiketrack", "simulate"]
    assert options["--box"] == "200,120,80,100"
    assert options["--frames"] == str(SIZE.frames)
    assert options["--backend"] == "lava"


# pictures


def test_pictures_keep_the_budget(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip", SIZE)
    for budget in (400_000, 60_000):
        found = read_pictures(clip, SIZE.frames, budget)
        assert found.frames == tuple(range(SIZE.frames + 1))
        assert (found.width, found.height) == (SIZE.width, SIZE.height)
        assert sum(map(len, found.data)) <= 1.1 * budget


def test_pictures_show_the_frames() -> None:
    frames = [np.full((40, 60, 3), (250, 40 * i, 0), np.uint8) for i in range(4)]
    found = encode(frames, 3)
    for frame, data in zip(frames, found.data, strict=True):
        jpeg = base64.b64decode(data.removeprefix("data:image/jpeg;base64,"))
        shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(shown[..., ::-1].astype(int) - frame).max() < 8


def test_long_clips_show_every_other_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST", 3)
    found = encode([np.zeros((8, 8, 3), np.uint8)] * 5, 4)
    assert found.frames == (0, 2, 4)
    assert found.note == "One frame in 2 has a picture."


def test_a_clip_that_is_gone_is_said(files: Files, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", tmp_path / "no clip", tmp_path / "no export", SIZE)
    built = build_report(read_sources(run))
    assert "no such file or folder" in built.pictures.note
    assert not built.pictures.data
    assert "export it again" in text(built, "formats")
    assert "The clip cannot be shown" in render(built)


# boxes


def test_overlays_of_both_runs_and_of_the_verification(full: Report) -> None:
    labels = [overlay.label for overlay in full.overlays]
    assert labels == ["run (lava)", "other (integer)", "verify: integer", "verify: float"]
    assert full.overlays[0].rows == tuple(boxes(SIZE.frames))


def test_another_clip_shows_no_boxes(files: Files, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip", SIZE)
    other = write_run(tmp_path / "elsewhere", clip, tmp_path, SIZE)
    built = build_report(read_sources(files.run, (other,)))
    assert [overlay.label for overlay in built.overlays] == ["run (lava)"]
    assert "elsewhere tracked another clip" in text(built, "clip")


def test_a_float_run_gives_its_boxes_alone(files: Files, tmp_path: Path) -> None:
    clip = files.run.parent / "clip"
    other = write_run(tmp_path / "exact", clip, tmp_path, SIZE, backend="float")
    (other / "counts.h5").unlink()
    built = build_report(read_sources(files.run, (other,)))
    assert [overlay.label for overlay in built.overlays] == ["run (lava)", "exact (float)"]
    assert "exact (float) counted no operations" in text(built, "energy")
    assert "comparison" not in {found.name for found in built.tables}
    render(built)


def test_runs_of_one_name_are_told_apart(files: Files, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", tmp_path / "clip", tmp_path, SIZE)
    labels = [found.label for found in read_sources(files.run, (run,)).runs]
    assert labels == [f"1: {files.run}", f"2: {run}"]


# missing input and errors


def test_missing_input_says_how_to_get_it(files: Files) -> None:
    built = build_report(read_sources(files.run))
    assert "spiketrack verify" in text(built, "agreement")
    assert "--checkpoint" in text(built, "agreement")
    assert f"--run {files.run}" in text(built, "placement")
    assert {"not compared", "not placed"} <= {fact.value for fact in built.facts}


def test_documents_must_be_of_their_kind(files: Files, tmp_path: Path) -> None:
    with pytest.raises(SpikeTrackError, match=r"not a document spiketrack\.verify 1"):
        read_sources(files.run, verify=files.placement)
    with pytest.raises(SpikeTrackError, match="no such file; write it with spiketrack map --json"):
        read_sources(files.run, placement=tmp_path / "none.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(SpikeTrackError, match="unreadable"):
        read_sources(files.run, verify=broken)


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(SpikeTrackError, match=r"no run\.json in it"):
        read_sources(tmp_path)


# the page


def test_text_cannot_become_markup(files: Files, tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script>&"
    clip = {"name": hostile, "path": str(files.run.parent / "clip"), "fps": None}
    run = write_run(tmp_path / "run", tmp_path / "clip", tmp_path, SIZE, clip=clip)
    page = render(build_report(read_sources(run)))
    assert "alert(1)</script>" not in page
    assert json.loads(embed({"a": hostile})) == {"a": hostile}


def test_command_writes_the_page(files: Files, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(report_command)
    out = tmp_path / "report.html"
    given = ["--against", str(files.other), "--verify", str(files.verify)]
    options = [*given, "--map", str(files.placement), "--out", str(out)]
    found = CliRunner().invoke(app, [str(files.run), *options])
    assert found.exit_code == 0, found.output
    page = out.read_text("utf-8")
    assert page.count("plotly-source") == 2  # the library itself, and the line that starts it
    assert "src=" not in page.partition("plotly-source")[0]


def test_command_refuses_a_target_before_the_work(files: Files, tmp_path: Path) -> None:
    with pytest.raises(SpikeTrackError, match="its folder does not exist"):
        report_command(files.run, out=tmp_path / "none" / "report.html")


def test_png_writes_clip_and_figures(
    full: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(figures: list[object], paths: list[Path], **options: object) -> None:
        for path in paths:
            path.write_bytes(b"PNG")

    monkeypatch.setattr(plotly.io, "write_images", write)
    names = write_pngs(full, tmp_path / "png")
    assert {path.name for path in (tmp_path / "png").iterdir()} == set(names)
    assert {"clip.png", "energy.png", "cores-memory.png", "overlap.png"} <= set(names)
    strip = cv2.imread(str(tmp_path / "png" / "clip.png"))
    assert strip is not None
    assert strip.shape[1] % 240 == 0


def test_png_without_kaleido(full: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*arguments: object, **options: object) -> None:
        raise ValueError("no kaleido here\nand more")

    monkeypatch.setattr(plotly.io, "write_images", write)
    with pytest.raises(MissingDependency, match=r"needs kaleido .* no kaleido here$"):
        write_pngs(full, tmp_path / "png")
    assert not (tmp_path / "png").exists()


def test_page_is_written_whole(full: Report, tmp_path: Path) -> None:
    with pytest.raises(SpikeTrackError, match="does not exist"):
        write_html(full, tmp_path / "none" / "report.html")
    assert START.as_tuple() == full.overlays[0].rows[0].box.as_tuple()
