"""The report: what goes into its document, and the sections whose input is missing."""

from __future__ import annotations

import base64
import json
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import plotly.io
import pytest
import typer
from support.report_data import BOX, FRAMES, SIDE, Files, changed_run, resized, write_clip
from typer.testing import CliRunner

from spiketrack.commands.energy import energy as energy_command
from spiketrack.commands.report import report as report_command
from spiketrack.documents.placement import MapDocument
from spiketrack.documents.run import ClipPart
from spiketrack.documents.verification import VerifyDocument
from spiketrack.errors import MissingDependency, SpikeTrackError
from spiketrack.integer.costs.formulas import FIELDS
from spiketrack.pages import library
from spiketrack.pages.page import embed, render
from spiketrack.pages.parts import Fact, Table
from spiketrack.report import Report, build_report, pictures, read_sources, write_html, write_pngs
from spiketrack.report.activity import Activity
from spiketrack.report.commands import simulate_command
from spiketrack.report.figures.cores import core_grid
from spiketrack.report.names import stage
from spiketrack.report.page import page_of
from spiketrack.report.pictures import encode, read_pictures
from spiketrack.runs.operations import read_run
from spiketrack.steps.report import report as report_step

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(report_files: Files) -> Files:
    return report_files


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
    neurons = [kind in ("neuron", "gate") for kind in branch.layers.kinds]
    assert len(found.names) == sum(neurons)
    for row, name in enumerate(found.names):
        layer = branch.layers.names.index(name)
        for frame in range(FRAMES):
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
    assert len(shown.columns) == 1 + FRAMES
    spikes = branch.field("spikes")[:, [k in ("neuron", "gate") for k in branch.layers.kinds]]
    assert [list(row[1:]) for row in shown.rows] == spikes.T.tolist()


def test_the_title_names_network_and_clip(full: Report) -> None:
    assert full.title == "SpikeTrack on Loihi: custom on clip"


def test_unsupported_lists_prices_and_formats(full: Report) -> None:
    what = [row[1] for row in table(full, "unsupported").rows]
    assert {"joules of Loihi 2", "neuron_update_active", "memory_read"} <= set(what)
    assert any(str(line).startswith("netx/search: ") for line in what)


@pytest.mark.parametrize(("cores", "per_chip"), [(1, 128), (70, 120), (1000, 122)])
def test_every_core_has_its_own_place(files: Files, cores: int, per_chip: int) -> None:
    found = resized(MapDocument.read(files.placement), cores, per_chip)
    x, y, (height, width) = core_grid(found)
    assert len(set(zip(x.tolist(), y.tolist(), strict=True))) == cores
    assert 0 <= x.min() <= x.max() < width
    assert 0 <= y.min() <= y.max() < height


def test_command_repeats_the_run(files: Files) -> None:
    words = shlex.split(simulate_command(read_sources(files.run).run))
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert words[:2] == ["spiketrack", "simulate"]
    assert options["--box"] == BOX
    assert options["--frames"] == str(FRAMES)
    assert options["--backend"] == "inline"
    assert options["--update-every"] == "2"


# pictures


def test_pictures_keep_the_budget(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip")
    for budget in (400_000, 60_000):
        found = read_pictures(clip, FRAMES, budget)
        assert found.frames == tuple(range(FRAMES + 1))
        assert (found.width, found.height) == SIDE
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
    clip = ClipPart(name="gone", path=str(tmp_path / "no clip"), fps=None)
    run = changed_run(tmp_path / "run", files.run, clip=clip, export=str(tmp_path / "no export"))
    built = build_report(read_sources(run))
    assert "no such file or folder" in built.pictures.note
    assert not built.pictures.data
    assert "export it again" in text(built, "formats")
    assert "The clip cannot be shown" in render(page_of(built))


# boxes


def test_overlays_of_both_runs_and_of_the_verification(full: Report, files: Files) -> None:
    labels = [overlay.label for overlay in full.overlays]
    verified = ["verify: integer", "verify: inline", "verify: float"]
    assert labels == ["run (inline)", "other (integer)", *verified]
    assert full.overlays[0].rows == tuple(files.boxes)
    assert full.overlays[1].rows != full.overlays[0].rows
    assert full.overlays[2].rows == full.overlays[0].rows[:4]


def test_another_clip_shows_no_boxes(files: Files, tmp_path: Path) -> None:
    clip = ClipPart(name="clip", path=str(write_clip(tmp_path / "clip")), fps=None)
    other = changed_run(tmp_path / "elsewhere", files.run, clip=clip)
    built = build_report(read_sources(files.run, (other,)))
    assert [overlay.label for overlay in built.overlays] == ["run (inline)"]
    assert "elsewhere tracked another clip" in text(built, "clip")


def test_a_float_run_gives_its_boxes_alone(files: Files) -> None:
    built = build_report(read_sources(files.run, (files.floating,)))
    assert [overlay.label for overlay in built.overlays] == ["run (inline)", "floating (float)"]
    assert "floating (float) counted no operations" in text(built, "energy")
    assert "comparison" not in {found.name for found in built.tables}
    render(page_of(built))


def test_runs_of_one_name_are_told_apart(files: Files, tmp_path: Path) -> None:
    run = changed_run(tmp_path / "run", files.run)
    labels = [found.label for found in read_sources(files.run, (run,)).runs]
    assert labels == ["1: run", "2: run"]


# missing input and errors


def test_missing_input_says_how_to_get_it(files: Files) -> None:
    built = build_report(read_sources(files.run))
    assert "spiketrack verify" in text(built, "agreement")
    assert "--checkpoint" in text(built, "agreement")
    assert "--run run" in text(built, "placement")
    assert {"not compared", "not placed"} <= {fact.value for fact in built.facts}


def test_documents_must_be_of_their_kind(files: Files, tmp_path: Path) -> None:
    with pytest.raises(SpikeTrackError, match=r"schema spiketrack\.map, not spiketrack\.verify"):
        read_sources(files.run, verify=files.placement)
    with pytest.raises(SpikeTrackError, match="no such file; write it with spiketrack map --json"):
        read_sources(files.run, placement=tmp_path / "none.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(SpikeTrackError, match="unreadable"):
        read_sources(files.run, verify=broken)


@pytest.mark.parametrize("version", [0, 99])
def test_other_versions_are_refused(files: Files, tmp_path: Path, version: int) -> None:
    for name, path in (("verify", files.verify), ("placement", files.placement)):
        other = tmp_path / path.name
        other.write_text(json.dumps(json.loads(path.read_text()) | {"version": version}))
        message = (
            rf"{path.name}: spiketrack\.\w+ written as version {version}, this program reads \d"
        )
        with pytest.raises(SpikeTrackError, match=message):
            read_sources(files.run, **only(name, other))
    run = tmp_path / "run"
    shutil.copytree(files.run, run)
    about = json.loads((run / "run.json").read_text()) | {"version": version}
    (run / "run.json").write_text(json.dumps(about))
    with pytest.raises(SpikeTrackError, match=rf"run\.json: .* written as version {version}, this"):
        read_sources(run)


def only(name: str, path: Path) -> Any:
    return {name: path}


def test_documents_of_another_network_or_run_are_refused(files: Files, tmp_path: Path) -> None:
    run = changed_run(tmp_path / "run", files.run, network_digest="0" * 64)
    for name, path, verb in (
        ("verify", files.verify, "verifies"),
        ("placement", files.placement, "places"),
    ):
        message = rf"{path.name}: {verb} network \w{{12}}, .*run ran 000000000000; "
        with pytest.raises(SpikeTrackError, match=message):
            read_sources(run, **only(name, path))
    again = changed_run(tmp_path / "again", files.run, updates=())
    with pytest.raises(SpikeTrackError, match=r"map\.json: its messages were counted in another"):
        read_sources(again, placement=files.placement)
    assert read_sources(again, verify=files.verify).verify
    assert read_sources(files.run, (run,)).against[0].manifest is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exact": False}, "exact contradicts the backends"),
        ({"mismatches": 1}, "mismatches is not the sum of its rows"),
        ({"counts_compared": 1}, "counts_compared is not the sum of its rows"),
        ({"backends": {}}, "exact contradicts the backends"),
        ({"boxes": [{"frame": 0, "updated": False, "boxes": {}, "scores": {"a": 1}}]}, "boxes"),
        ({"float": {}}, r"float\.teacher_forced: Field required"),
        ({"by_population": 3}, "by_population: Input should be"),
    ],
)
def test_a_verdict_must_be_that_of_its_rows(
    files: Files, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    path = tmp_path / "verify.json"
    path.write_text(json.dumps(json.loads(files.verify.read_text()) | changes))
    with pytest.raises(SpikeTrackError, match=rf"verify\.json: .*{message}"):
        read_sources(files.run, verify=path)


def test_the_report_says_what_the_verification_holds(files: Files, tmp_path: Path) -> None:
    exact = build_report(read_sources(files.run, verify=files.verify))
    assert "Exact: integer and inline agree in all" in text(exact, "agreement")
    assert fact(exact, "exactness").value == "exact"
    found = VerifyDocument.read(files.verify).float_
    assert found is not None
    judged = f"judged by float64: {found.yardstick.judgement}"
    assert judged in fact(exact, "integer against float").detail
    assert "float32 differs from float64 in " in text(exact, "agreement")
    assert "teacher-forced mismatch" in text(exact, "agreement")
    damaged = build_report(read_sources(files.run, verify=damage(files.verify, tmp_path)))
    assert fact(damaged, "exactness").value == "7 counts differ"
    said = text(damaged, "agreement")
    assert "Exact" not in said
    assert "Not exact: 7 of " in said
    assert "and the maps of 2 frames differ between integer and inline; first: backend inl" in said
    rows = [
        dict(zip(t.columns, r, strict=True)) for t in [table(damaged, "backends")] for r in t.rows
    ]
    assert [(row["exact"], row["mismatches"], row["maps_differ"]) for row in rows] == [
        (False, 7, 2)
    ]
    alone = build_report(read_sources(files.run, verify=float_alone(files.verify, tmp_path)))
    assert fact(alone, "exactness").value == "float alone"
    assert "No exact backend was compared" in text(alone, "agreement")


def test_cards_name_another_clip_that_was_compared_on(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "verify.json"
    other = {"clip": "another", "clip_digest": "0" * 64}
    path.write_text(json.dumps(json.loads(files.verify.read_text()) | other))
    built = build_report(read_sources(files.run, verify=path))
    own = build_report(read_sources(files.run, verify=files.verify))
    for label in ("exactness", "integer against float"):
        assert fact(built, label).detail.endswith("; on another clip, another")
        assert "another clip" not in fact(own, label).detail


def fact(report: Report, label: str) -> Fact:
    return next(found for found in report.facts if found.label == label)


def damage(path: Path, folder: Path) -> Path:
    """The same verification with seven counts and the maps of two frames that differ."""
    found = json.loads(path.read_text())
    row = found["by_population"][5]
    row |= {"mismatches": 7, "backends": {"inline": 7}}
    found["backends"]["inline"] |= {"exact": False, "mismatches": 7, "maps_differ": 2}
    first = {"backend": "inline", "branch": row["branch"], "population": row["population"]}
    first |= {"frame": 1, "step": 0, "index": [0, 1, 2], "expected": 3, "found": 2}
    return saved(found | {"exact": False, "mismatches": 7, "first_divergence": first}, folder / "d")


def float_alone(path: Path, folder: Path) -> Path:
    """The same verification without an integer backend."""
    found = json.loads(path.read_text())
    nothing: dict[str, object] = {
        "exact": None,
        "counts_compared": 0,
        "backends": {},
        "by_population": [],
    }
    return saved(found | nothing | {"populations": 0}, folder / "f")


def saved(found: dict[str, object], path: Path) -> Path:
    path.write_text(json.dumps(found))
    return path


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(SpikeTrackError, match=r"no run\.json in it"):
        read_sources(tmp_path)


# the page


def test_text_cannot_become_markup(files: Files, tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script><!-- &\u2028\u2029"
    clip = ClipPart(name=hostile, path=str(files.clip), fps=None)
    run = changed_run(tmp_path / "run", files.run, clip=clip, box=(1, 2, 30, 40))
    page = render(page_of(build_report(read_sources(run))))
    assert "alert(1)</script>" not in page
    held = embed({"a": hostile})
    assert not set("<\u2028\u2029") & set(held)
    assert json.loads(held) == {"a": hostile}


def test_hostile_names_stay_inside_the_json_of_the_page(files: Files, tmp_path: Path) -> None:
    """Read by a parser of HTML as a browser does it: scripts end where they should."""
    hostile = "</script><img src=x onerror=alert(1)>"
    clip = ClipPart(name=hostile, path=str(files.clip), fps=None)
    changes = {"clip": clip, "export": hostile, "versions": {hostile: hostile}}
    run = changed_run(tmp_path / hostile.replace("/", "\\"), files.run, **changes)
    other = changed_run(tmp_path / "o", files.other, **changes)
    parser = Elements()
    parser.feed(render(page_of(build_report(read_sources(run, (other,), verify=files.verify)))))
    assert "img" not in [tag for tag, names in parser.seen if "onerror" in names]
    assert len(parser.scripts) == len([1 for tag, _ in parser.seen if tag == "script"])
    data = json.loads(parser.scripts["page-data"])
    assert hostile in json.dumps(data["tables"]["versions"], ensure_ascii=False)


class Elements(HTMLParser):
    """Every start tag with its attributes, and the text of scripts by id."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, list[str]]] = []
        self.scripts: dict[str, str] = {}
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, [name for name, _ in attrs]))
        if tag == "script":
            self.inside = dict(attrs).get("id") or f"script {len(self.scripts)}"
            self.scripts[self.inside] = ""

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.scripts[self.inside] += data


def test_command_writes_the_page(files: Files, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(report_command)
    out = tmp_path / "report.html"
    given = ["--against", str(files.other), "--verify", str(files.verify)]
    options = [*given, "--map", str(files.placement), "--out", str(out)]
    found = CliRunner().invoke(app, [str(files.run), *options])
    assert found.exit_code == 0, found.output
    page = out.read_text("utf-8")
    assert library.packed() in page
    assert "src=" not in page.partition('id="library"')[0]


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
    assert {
        "clip.png",
        "energy-blocks-stacked-by-kind.png",
        "cores-memory.png",
        "overlap.png",
    } <= set(names)
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
    size = write_html(full, tmp_path / "report.html")
    assert size == (tmp_path / "report.html").stat().st_size


def test_page_goes_to_standard_output(
    files: Files, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    made = report_step(files.run, Path("-"))
    page = capfdbinary.readouterr().out
    assert made.size == len(page)
    assert page.startswith(b"<!doctype html>")
