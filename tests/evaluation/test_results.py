"""Archives for servers, and result folders of other trackers beside ours."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.jobs import write_small
from support.program import Program
from support.sequences import find_sequences
from support.synthetic_clips import moving_patch, write_images, write_otb

from spiketrack.documents.tracking import EvaluationDocument
from spiketrack.errors import ConfigError, MissingDependency, SpikeTrackError
from spiketrack.evaluation.drawings import attribute_bars, energy_scatter, write_figure
from spiketrack.evaluation.papers import PaperTable, attribute_table, by_attribute, paper_table
from spiketrack.evaluation.results import find_trackers, score_tracker
from spiketrack.evaluation.submissions import write_submission
from spiketrack.packaged import PRICE_TABLES
from spiketrack.tracking.evaluation import Energy, SequenceResult, judge, score_boxes
from spiketrack.tracking.ledger import Ledger
from spiketrack.tracking.sequences import Refused, Sequence
from spiketrack.video.boxes import Box

FRAMES, BOXES = moving_patch(8)


@pytest.fixture
def program(capfd: pytest.CaptureFixture[str]) -> Program:
    return Program(capfd)


def rows(boxes: list[Box], separator: str = ",") -> str:
    """Counted from 1."""
    lines = (separator.join(f"{v:g}" for v in b.moved(1, 1).as_tuple()) for b in boxes)
    return "".join(f"{line}\n" for line in lines)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    for name in ("A", "B"):
        write_otb(tmp_path / "data" / name, FRAMES, BOXES)
    (tmp_path / "data" / "att").mkdir()
    (tmp_path / "data" / "att" / "A.txt").write_text("1,0,1,0,0,0,0,0,0,0,0\n")
    (tmp_path / "data" / "att" / "B.txt").write_text("0,0,1,0,0,0,0,0,0,0,0\n")
    return tmp_path / "data"


def published(folder: Path, boxes: list[Box], separator: str = "\t") -> Path:
    """A folder of OTB text or pytracking's, with times."""
    folder.mkdir(parents=True)
    for name in ("A", "B"):
        (folder / f"{name}.txt").write_text(rows(boxes, separator))
        (folder / f"{name}_time.txt").write_text("0.01\n" * 8)
    return folder


def ours(folder: Path, footage: list[Sequence], boxes: list[Box], energy: Energy | None) -> Path:
    """What ``evaluate --out`` leaves."""
    folder.mkdir()
    ledger = Ledger(["nano"], [s.name for s in footage], {"backend": "integer"})
    ledger.into(folder, None)
    found = np.array([b.as_tuple() for b in boxes])
    for sequence in footage:
        scores = score_boxes(sequence, found, (96, 72)) if sequence.labelled else None
        times = (0.02,) * len(found)
        ledger.add("nano", SequenceResult(sequence, found, (96, 72), scores, times, energy))
    return folder


def test_every_layout_of_results(tmp_path: Path, dataset: Path) -> None:
    """The same boxes as OTB text, pytracking's, GOT-10k's and ours: the same figures."""
    footage = find_sequences(dataset)
    off = [b.moved(2, 1) for b in BOXES]
    published(tmp_path / "otb", off, ",")
    published(tmp_path / "pytracking", off)
    for name in ("A", "B"):
        home = tmp_path / "got" / name
        home.mkdir(parents=True)
        (home / f"{name}_001.txt").write_text(rows(off))
        (home / f"{name}_time.txt").write_text("0.01\n" * 8)
    ours(tmp_path / "out", footage, off, Energy(0.1, 0.02))
    names = ("otb", "pytracking", "got", "out")
    trackers = find_trackers(str(tmp_path / name) for name in names)
    assert [t.name for t in trackers] == ["otb", "pytracking", "got", "nano"]
    found = [score_tracker(t, footage, {}) for t in trackers]
    assert all(not progress.failed for progress in found)
    expected = score_boxes(footage[0], np.array([b.as_tuple() for b in off]), (96, 72))
    assert {p.outcomes["A"].success_auc for p in found} == {expected.success_auc}
    assert [round(p.outcomes["A"].seconds, 9) for p in found] == [0.08, 0.08, 0.08, 0.16]
    assert [p.outcomes["A"].energy_mj for p in found] == [None, None, None, 0.1]
    (renamed,) = find_trackers([f"SpikeTrack={tmp_path / 'out'}"])
    assert (renamed.name, renamed.energy("A")) == ("SpikeTrack", Energy(0.1, 0.02))


def test_several_runs_of_got10k_are_averaged(tmp_path: Path, dataset: Path) -> None:
    footage = find_sequences(dataset)[:1]
    home = tmp_path / "got" / "A"
    home.mkdir(parents=True)
    (home / "A_001.txt").write_text(rows(BOXES))
    (home / "A_002.txt").write_text(rows([BOXES[0]] + [b.moved(40, 0) for b in BOXES[1:]]))
    progress = score_tracker(find_trackers([str(tmp_path / "got")])[0], footage, {})
    assert progress.outcomes["A"].ao == pytest.approx(0.5)


def test_what_is_wrong_with_results(tmp_path: Path, dataset: Path) -> None:
    footage = find_sequences(dataset)
    folder = published(tmp_path / "mine", BOXES)
    (folder / "A.txt").write_text(rows(BOXES[:5]))
    (folder / "B.txt").unlink()
    failed = score_tracker(find_trackers([str(folder)])[0], footage, {}).failed
    assert failed == {
        "A": f"A: {folder}/A.txt: 5 boxes for 8 frames; give one for every frame, the first too",
        "B": f"B: no result in {folder}",
    }
    with pytest.raises(ConfigError, match="none: no such folder of results"):
        find_trackers([str(tmp_path / "none")])
    with pytest.raises(ConfigError, match="two trackers are named mine; give NAME=FOLDER"):
        find_trackers([str(folder), str(folder)])


def test_every_tracker_can_be_named(
    tmp_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    footage = find_sequences(dataset)
    first, second = (ours(tmp_path / n, footage, BOXES, Energy(1, 0)) for n in ("a", "b"))
    (first / "evaluation.json").unlink()
    one, two = find_trackers([f"x={first}", f"y={second}"])
    assert (one.name, two.name) == ("x", "y")
    assert (one.energy("A"), two.energy("A")) == (None, Energy(1, 0))
    (second / "boxes" / "mil").mkdir()
    assert [t.name for t in find_trackers([f"y={second}"])] == ["y mil", "y nano"]
    published(tmp_path / "rate=0.1", BOXES)
    monkeypatch.chdir(tmp_path)
    assert [t.name for t in find_trackers(["rate=0.1", "z=rate=0.1"])] == ["rate=0.1", "z"]
    assert find_trackers([f"{tmp_path}/rate=0.1"])[0].name == "rate=0.1"


@pytest.mark.parametrize("name", ["a[1]", "**", "c?"])
def test_names_are_no_patterns(tmp_path: Path, name: str) -> None:
    write_otb(tmp_path / "data" / name, FRAMES, BOXES)
    (tmp_path / "r" / name).mkdir(parents=True)
    (tmp_path / "r" / name / f"{name}_001.txt").write_text(rows(BOXES))
    (tracker,) = find_trackers([str(tmp_path / "r")])
    assert list(score_tracker(tracker, find_sequences(tmp_path / "data"), {}).outcomes) == [name]


def test_any_name_in_latex() -> None:
    table = PaperTable(("AUC",), ((r"a~b^c\d<e>_{}", (1.0,)),), ())
    row = table.latex().splitlines()[4]
    assert row.startswith(r"a\textasciitilde{}b\textasciicircum{}c\textbackslash{}d\textless{}e")
    assert row.endswith(r"\textgreater{}\_\{\} & 1.0 \\")


@pytest.mark.parametrize("time", ["nan", "-1", "inf", "1e999", "1e-320", "x"])
def test_what_no_frame_can_take_is_no_time(tmp_path: Path, dataset: Path, time: str) -> None:
    folder = published(tmp_path / "a", BOXES)
    (folder / "A_time.txt").write_text(f"0.01\n{time}\n" + "0.01\n" * 6)
    progress = score_tracker(find_trackers([str(folder)])[0], find_sequences(dataset), {})
    assert progress.failed["A"].startswith(f"{folder / 'A_time.txt'}: holds no seconds a frame (")
    assert list(progress.outcomes) == ["B"]


def test_none_of_its_sequences(tmp_path: Path, dataset: Path) -> None:
    """A folder too high: one reason for all; runs from other starts have one of their own."""
    footage = find_sequences(dataset)
    published(tmp_path / "mine" / "lasot", BOXES)
    folder = tmp_path / "mine"
    failed = score_tracker(find_trackers([str(folder)])[0], footage, {}).failed
    assert set(failed) == {"A", "B"}
    assert set(failed.values()) == {
        f"{folder}: holds a result of none of 2 sequences; expected such as A.txt, A/A_001.txt or "
        "what evaluate --out wrote"
    }
    for name in ("A@left", "A"):
        (folder / f"{name}.txt").write_text(rows(BOXES))
    (folder / "B@left.txt").write_text(rows(BOXES))
    failed = score_tracker(find_trackers([str(folder)])[0], footage, {}).failed
    assert failed["B"].startswith(f"B: {folder} holds runs from other starts, which evaluate")


def test_names_and_lengths_of_published_results(tmp_path: Path) -> None:
    """pytracking's Jogging_1; more boxes than labels, as LaSOT's toolkit cuts monkey-17."""
    write_otb(tmp_path / "data" / "Jogging", FRAMES, BOXES)
    home = tmp_path / "data" / "Jogging"
    (home / "groundtruth_rect.txt").rename(home / "groundtruth_rect.1.txt")
    (home / "groundtruth_rect.2.txt").write_text(rows(BOXES))
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "Jogging_1.txt").write_text(rows(BOXES))
    (folder / "Jogging-2.txt").write_text(rows([*BOXES, *BOXES[:2]]))
    footage = find_sequences(tmp_path / "data")
    progress = score_tracker(find_trackers([str(folder)])[0], footage, {})
    assert progress.failed == {}
    assert {part.success_auc for part in progress.outcomes.values()} == {20 / 21}
    assert progress.outcomes["Jogging.2"].notes == (
        f"{folder}/Jogging-2.txt: 10 boxes for 8 frames: the last are left out",
    )


def test_the_table_of_a_paper(tmp_path: Path, dataset: Path) -> None:
    """AUC and precision of OTB in per cent, best first and bold; energy where it was counted."""
    footage = find_sequences(dataset)
    published(tmp_path / "good_one", BOXES)
    ours(tmp_path / "out", footage, [BOXES[0]] * 8, Energy(0.1, 0.02))
    trackers = find_trackers([str(tmp_path / "out"), str(tmp_path / "good_one")])
    parts = {t.name: score_tracker(t, footage, {}).part("AB") for t in trackers}
    table = paper_table(parts)
    assert table.columns == ("AUC", "P", "mJ/frame", "fps")
    assert [name for name, _ in table.rows] == ["good_one", "nano"]
    assert table.rows[0][1][0] == pytest.approx(100 * 20 / 21)
    assert table.rows[0][1][2] is None
    assert table.rows[1][1][2] == pytest.approx(0.12)
    read = list(csv.reader(io.StringIO(table.csv())))
    assert read[0] == ["tracker", "AUC", "P", "mJ/frame", "fps"]
    assert float(read[1][1]) == table.rows[0][1][0]
    latex = table.latex()
    assert r"good\_one & \textbf{95.2} & \textbf{100.0} & -- &" in latex
    assert "% OTB: OTB's toolkit, 21 thresholds" in latex
    assert latex.count(r"\\") == 3
    hard = by_attribute(parts)
    assert list(hard) == ["illumination variation", "scale variation"]
    rows_of = attribute_table(hard).latex().splitlines()
    assert rows_of[3].startswith("attribute & ")
    assert r"\textbf{95.2}" in rows_of[5]
    assert attribute_table(hard).csv().startswith("attribute,nano,good_one\nillumination")
    assert [bar.name for bar in attribute_bars(hard).data] == ["nano", "good_one"]
    assert hard["illumination variation"]["nano"][0] == 1
    count, auc = hard["scale variation"]["good_one"]
    assert (count, round(auc, 9)) == (2, round(20 / 21, 9))


def test_accuracy_against_energy(tmp_path: Path, dataset: Path) -> None:
    footage = find_sequences(dataset)
    ours(tmp_path / "out", footage, BOXES, Energy(0.1, 0.02))
    published(tmp_path / "other", BOXES)
    trackers = find_trackers([str(tmp_path / "out"), str(tmp_path / "other")])
    parts = {t.name: score_tracker(t, footage, {}).part("AB") for t in trackers}
    plot = energy_scatter(parts)
    assert [(list(t.x), list(t.y)) for t in plot.data] == [
        ([pytest.approx(0.12)], [pytest.approx(20 / 21)])
    ]
    (line,) = plot.layout.shapes  # the one without energy
    assert line.line.width > 0  # of the template's own, none is seen
    assert line.opacity == 1
    assert plot.layout.annotations[0].xanchor == "left"  # beside the plot, over no marker
    write_figure(plot, tmp_path / "s.html")
    assert "mJ a frame" in (tmp_path / "s.html").read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match=r"s\.gif: choose \.html, \.png, \.svg, \.pdf"):
        write_figure(plot, tmp_path / "s.gif")
    with pytest.raises(ConfigError, match="--scatter: no tracker has an energy"):
        energy_scatter({"other": parts["other"]})


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            RuntimeError("Kaleido requires Google Chrome to be installed.\n\nEither"),
            "requires Google",
        ),
        (
            ValueError("Image export requires the Kaleido package,\nv1.0.0"),
            "kaleido is not installed",
        ),
        (
            RuntimeError("The browser seemed to close.", "Try another"),
            r"The browser seemed to close\.$",
        ),
    ],
)
def test_a_picture_needs_kaleido(tmp_path: Path, error: Exception, reason: str) -> None:
    class Chromeless:
        def to_image(self, **options: object) -> bytes:
            raise error

    with pytest.raises(MissingDependency, match=rf"s\.svg: needs kaleido .* neither: .*{reason}"):
        write_figure(Chromeless(), tmp_path / "s.svg")
    assert not (tmp_path / "s.svg").exists()


def test_score_command(tmp_path: Path, dataset: Path, program: Program) -> None:
    ours(tmp_path / "out", find_sequences(dataset), BOXES, None)
    folder = published(tmp_path / "half", [BOXES[0]] * 8)
    (folder / "B.txt").unlink()
    files = [
        ("latex", "t.tex"),
        ("csv", "t.csv"),
        ("json", "t.json"),
        ("plots", "p.html"),
        ("attributes", "a.tex"),
    ]
    options = [part for name, file in files for part in (f"--{name}", tmp_path / file)]
    out = program("score", tmp_path / "out", folder, dataset, *options, code=1)
    assert "scored by OTB: OTB's toolkit" in out
    assert "1 of 2" in out
    assert "success AUC by attribute" in out
    assert f"failed: half: B: no result in {folder}" in program.err
    written = json.loads((tmp_path / "t.json").read_text())
    assert (written["method"], list(written["baselines"])) == ("nano", ["half"])
    assert (tmp_path / "t.tex").read_text().startswith("% OTB: ")
    assert (tmp_path / "p.html").is_file()
    assert "give at least one folder" in program.refuses("score", dataset)


def test_scores_name_a_sequence_that_cannot_be_read(
    tmp_path: Path, dataset: Path, program: Program
) -> None:
    """As an evaluation does: a mean that lacks it is no mean of the data set."""
    folder = published(tmp_path / "mine", BOXES)
    label = dataset / "B" / "groundtruth_rect.txt"
    label.write_text(rows(BOXES[:5]))
    assert "1 of 2" in program("score", folder, dataset, code=1)
    assert f"failed: {label}: 5 boxes for 8 frames" in program.err


def test_trackers_without_a_scored_sequence_are_named_and_not_drawn(
    tmp_path: Path, dataset: Path, program: Program
) -> None:
    """Results of too few frames: files and reasons all the same, curves of the others alone."""
    short = published(tmp_path / "short", BOXES[:3])
    files = ["--csv", tmp_path / "t.csv", "--plots", tmp_path / "p.html"]
    files += ["--scatter", tmp_path / "s.html"]
    assert "short" in program("score", short, dataset, *files, code=1)
    assert "no plot: no sequence of any tracker could be scored" in program.err
    assert "failed: short: A: " in program.err
    assert (tmp_path / "t.csv").is_file()
    assert not (tmp_path / "p.html").exists()
    whole = published(tmp_path / "whole", BOXES)
    program("score", short, whole, dataset, "--plots", tmp_path / "p.html", code=1)
    assert "whole [" in (tmp_path / "p.html").read_text()


def test_got10k_archive(tmp_path: Path) -> None:
    """What its toolkit packs: NAME/NAME_001.txt and NAME_time.txt at the top; equal each time."""
    for name in ("GOT-10k_Test_000001", "GOT-10k_Test_000002"):
        folder = write_images(tmp_path / "got" / name, FRAMES)
        (folder / "groundtruth.txt").write_text(rows(BOXES[:1]))
    footage = find_sequences(tmp_path / "got")
    out = ours(tmp_path / "out", footage, BOXES, None)
    archive = write_submission("got10k", out, "nano", footage)
    content = archive.read_bytes()
    with zipfile.ZipFile(archive) as file:
        assert file.namelist() == [
            f"{s.name}/{s.name}_{kind}.txt" for s in footage for kind in ("001", "time")
        ]
        text = file.read("GOT-10k_Test_000002/GOT-10k_Test_000002_001.txt").decode()
        times = file.read("GOT-10k_Test_000002/GOT-10k_Test_000002_time.txt").decode()
    assert text.splitlines()[1] == ("13.0000,22.0000,20.0000,16.0000")
    assert times.splitlines() == ["0.020000"] * 8
    assert write_submission("got10k", out, "nano", footage).read_bytes() == content
    refused = [Refused("GOT-10k_Test_000003", "unreadable")]
    with pytest.raises(SpikeTrackError, match="1 of 3 sequences could not be read, GOT-10k_Test_0"):
        write_submission("got10k", out, "nano", footage, refused)
    (out / "boxes" / "nano" / "GOT-10k_Test_000002.txt").unlink()
    with pytest.raises(SpikeTrackError, match="1 of 2 sequences have no result, GOT-10k_Test_0000"):
        write_submission("got10k", out, "nano", footage)
    with pytest.raises(SpikeTrackError, match="no sequence in the layout of TrackingNet"):
        write_submission("trackingnet", out, "nano", footage)


@pytest.mark.parametrize("options", [("--frames", "1"), ("--starts", "pixel")])
def test_servers_take_whole_sequences(
    tmp_path: Path, program: Program, options: tuple[str, str]
) -> None:
    told = program.refuses(
        "evaluate", "nano", tmp_path, "--out", tmp_path / "o", "--submit", "got10k", *options
    )
    assert told == (
        "--submit got10k: servers take whole sequences from their own start; leave out "
        f"{options[0]}"
    )


def test_an_interruption_says_what_is_kept(
    tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_small(tmp_path / "small.safetensors")
    for name in "AB":
        write_otb(tmp_path / "otb" / name, FRAMES[:2], BOXES[:2])

    def interrupted(sequence: Sequence, *given: Any) -> SequenceResult:
        if sequence.name == "B":
            raise KeyboardInterrupt
        return judge(sequence, *given)

    monkeypatch.setattr("spiketrack.tracking.evaluation.judge", interrupted)
    out = tmp_path / "out"
    line = ("evaluate", tmp_path / "small.safetensors", tmp_path / "otb", "--workers", 1)
    program(*line, "--out", out, code=130)
    assert f"{out}: 1 of 2 sequences are kept; the same command goes on\n" in program.err


def test_a_kind_of_note_is_said_once(tmp_path: Path, program: Program) -> None:
    """Of 180 test sequences without labels, not 180 lines; the document holds all."""
    write_small(tmp_path / "small.safetensors")
    for number in range(3):
        folder = write_images(tmp_path / "got" / f"GOT_{number}", FRAMES[:2])
        (folder / "groundtruth.txt").write_text(rows(BOXES[:1]))
    told = tmp_path / "told.json"
    program("evaluate", tmp_path / "small.safetensors", tmp_path / "got", "--json", told)
    what = "holds the first frame's box alone: tracked, not scored"
    first, more = (line for line in program.err.splitlines() if what in line)
    assert first == f"note: {tmp_path / 'got' / 'GOT_0' / 'groundtruth.txt'}: {what}"
    assert more == f"note: 2 more: {what}"
    assert sum(what in text for text in EvaluationDocument.read(told).notes) == 3


def test_an_archive_is_asked_for_later_or_not_to_be_had(tmp_path: Path, program: Program) -> None:
    """Nothing is followed again for it; where the server takes nothing, nothing is followed."""
    write_small(tmp_path / "small.safetensors")
    folder = write_images(tmp_path / "got" / "GOT_0", FRAMES[:2])
    (folder / "groundtruth.txt").write_text(rows(BOXES[:1]))
    out = tmp_path / "out"
    line = ("evaluate", tmp_path / "small.safetensors", tmp_path / "got", "--out", out)
    told = program.refuses(*line, "--submit", "trackingnet")
    assert told == "--submit trackingnet: no sequence in the layout of TrackingNet"
    assert not out.exists()
    program(*line)
    (boxes,) = (out / "boxes").glob("*/GOT_0.txt")
    before = boxes.stat().st_mtime_ns
    program(*line, "--submit", "got10k")
    assert (out / "got10k.zip").is_file()
    assert boxes.stat().st_mtime_ns == before
    assert "exists already" in program.refuses(*line, "--submit", "got10k")


def test_an_archive_lacks_no_sequence(tmp_path: Path, program: Program) -> None:
    write_small(tmp_path / "small.safetensors")
    for number, label in enumerate((rows(BOXES[:1]), "11,21\n")):
        folder = write_images(tmp_path / "got" / f"GOT_{number}", FRAMES[:2])
        (folder / "groundtruth.txt").write_text(label)
    out = tmp_path / "out"
    line = ("evaluate", tmp_path / "small.safetensors", tmp_path / "got", "--out", out)
    program(*line, "--submit", "got10k", code=1)
    assert "--submit got10k: 1 of 2 sequences could not be read, GOT_1 first" in program.err
    assert not (out / "got10k.zip").exists()
    (tmp_path / "got" / "GOT_1" / "groundtruth.txt").write_text(rows(BOXES[:1]))
    program(*line, "--submit", "got10k")
    with zipfile.ZipFile(out / "got10k.zip") as file:
        assert len(file.namelist()) == 4


def test_another_call_is_no_way_on(
    tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_small(tmp_path / "mil.safetensors")
    write_small(tmp_path / "small.safetensors")
    for name in ("A", "B"):
        write_otb(tmp_path / "data" / name, FRAMES[:2], BOXES[:2])
    (tmp_path / "data" / "B" / "groundtruth_rect.txt").write_text("1,2\n")
    prices = PRICE_TABLES.read("operations-loihi1").decode()
    (tmp_path / "own.yaml").write_text(prices)
    line = ("evaluate", "small.safetensors", "data", "--prices", "own.yaml", "--out", "o")
    program(*line, "--baseline", "mil", code=1)
    assert "with the baseline mil; give --baseline mil, choose" in program.refuses(*line)
    (tmp_path / "own.yaml").write_text(prices.replace("23.6", "99.9"))
    told = program.refuses(*line, "--baseline", "mil")
    assert told.startswith("o: holds an unfinished evaluation with another prices_sha256; choose")
    program(*line, "--force", code=1)
    told = program.refuses("evaluate", "mil.safetensors", "data", "--baseline", "mil")
    assert told == "--baseline mil: the network has this name; rename its file"


def test_trackingnet_archive(tmp_path: Path) -> None:
    write_images(tmp_path / "TEST" / "frames" / "zz_0", FRAMES)
    (tmp_path / "TEST" / "anno").mkdir()
    (tmp_path / "TEST" / "anno" / "zz_0.txt").write_text(rows(BOXES[:1]))
    footage = find_sequences(tmp_path / "TEST")
    out = ours(tmp_path / "out", footage, BOXES, None)
    with zipfile.ZipFile(write_submission("trackingnet", out, "nano", footage)) as file:
        assert file.namelist() == ["zz_0.txt"]
        assert len(file.read("zz_0.txt").decode().splitlines()) == 8
