"""The commands ``track`` and ``evaluate`` from their options to their files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import typer
from support.synthetic_clips import moving_patch, write_otb, write_video
from typer.testing import CliRunner

from spiketrack.commands import track as tracking
from spiketrack.commands.evaluate import evaluate
from spiketrack.commands.options.backend import open_backend
from spiketrack.commands.simulate import simulate
from spiketrack.commands.track import default_out, parse_source, track
from spiketrack.commands.verify import verify
from spiketrack.config import NetworkConfig, TrackerConfig
from spiketrack.errors import ClipError, MissingDependency, SpikeTrackError
from spiketrack.machine.locks import alone
from spiketrack.pipeline import export_checkpoint
from spiketrack.reference.checkpoint import save_checkpoint
from spiketrack.reference.model import SpikeTrack
from spiketrack.report.pictures import read_pictures
from spiketrack.steps.footage import clip_source
from spiketrack.tracking import plots as evaluation_plots
from spiketrack.tracking.outputs import FOLDER_FILES, TrackOutputs
from spiketrack.tracking.tracker import TrackResult
from spiketrack.video import clip as clips
from spiketrack.video import window
from spiketrack.video.boxes import Box, read_csv, read_rectangles
from spiketrack.video.clip import BUNDLED_BOX, Clip, bundled_clip, open_clip
from spiketrack.video.footage import Frame
from spiketrack.video.render import Filmstrip, annotate
from spiketrack.video.streams import Header

FRAMES, BOXES = moving_patch(8)
BOX = "10,20,20,16"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrained network with three templates, renewed on every third frame."""
    torch.manual_seed(3)
    model = SpikeTrack(NetworkConfig((8, 8, 8, 8), 4, 3, 8, blocks3=4, blocks4=1))
    path = tmp_path_factory.mktemp("network") / "tiny.safetensors"
    save_checkpoint(path, model, TrackerConfig(update_every=3, update_threshold=0.0))
    return str(path)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "patch.avi", FRAMES)


def invoke(*arguments: object, code: int = 0) -> str:
    """Run a command of a program with both; its errors pass through."""
    app = typer.Typer()
    app.command()(track)
    app.command()(evaluate)
    app.command()(simulate)
    app.command()(verify)
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_folder_with_every_format(tmp_path: Path, checkpoint: str, clip: Path) -> None:
    out, summary = tmp_path / "run", tmp_path / "run.json"
    invoke("track", checkpoint, "--video", clip, "--box", BOX, "--out", out, "--json", summary)
    assert sorted(p.name for p in out.iterdir()) == sorted(FOLDER_FILES)
    rows = read_csv(out / "boxes.csv")
    assert [row.frame for row in rows] == list(range(8))
    assert (rows[0].box, rows[0].score) == (BOXES[0], 1)
    for name in ("otb.txt", "got10k.txt"):
        boxes = read_rectangles(out / name)
        for box, row in zip(boxes, rows, strict=True):
            assert box.as_tuple() == pytest.approx(row.box.as_tuple(), abs=1e-4)
    assert open_clip(out / "track.mp4").length == 8
    strip = cv2.imread(str(out / "filmstrip.png"))
    assert strip.shape == (2 * 180, 4 * 240, 3)
    written = json.loads(summary.read_text())
    assert (written["schema"], written["version"]) == ("spiketrack.track", 1)
    assert (written["frames"], written["updates"]) == (7, [3, 6])
    assert written["boxes"][7]["x"] == rows[7].box.x
    assert written["files"] == [str(out / name) for name in FOLDER_FILES]


def test_single_files_and_frames(tmp_path: Path, checkpoint: str, clip: Path) -> None:
    csv, got = tmp_path / "b.csv", tmp_path / "b.got10k.txt"
    invoke(
        "track",
        checkpoint,
        "--video",
        clip,
        "--box",
        BOX,
        "--frames",
        2,
        "--out",
        csv,
        "--out",
        got,
    )
    assert len(read_csv(csv)) == 3
    assert got.read_text().splitlines()[0] == "11.0000,21.0000,20.0000,16.0000"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.csv", "b.got10k.txt", "patch.avi"]


def test_same_boxes_twice(tmp_path: Path, checkpoint: str, clip: Path) -> None:
    for name in ("a.csv", "b.csv"):
        invoke("track", checkpoint, "--video", clip, "--box", BOX, "--out", tmp_path / name)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_bundled_clip_and_box_are_the_default(tmp_path: Path, checkpoint: str) -> None:
    invoke("track", checkpoint, "--frames", 1, "--out", tmp_path / "b.csv")
    assert read_csv(tmp_path / "b.csv")[0].box == BUNDLED_BOX


def test_off_by_one_only_warns(tmp_path: Path, checkpoint: str, clip: Path) -> None:
    output = invoke(
        "track",
        checkpoint,
        "--video",
        clip,
        "--box",
        BOX,
        "--frames",
        8,
        "--out",
        tmp_path / "b.csv",
    )
    assert "warning:" in output
    assert len(read_csv(tmp_path / "b.csv")) == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--video", "absent.mp4", "--box", BOX], "absent.mp4: no such file"),
        (["--box", "500,5,10,10"], "lies outside the frame of 96x72"),
        (["--box", "1,2,3"], "expected x,y,w,h"),
        (["--box", BOX, "--frames", "50"], "--frames 50 asks for"),
        (["--box", BOX, "--out", "b.xyz"], r"\.xyz is none of \.csv, \.txt, \.mp4, \.webm, \.png"),
        (["--box", BOX, "--out", "absent/b.csv"], "its folder does not exist"),
        (["--box", BOX, "--out", "absent/b.mp4"], "its folder does not exist"),
        (["--box", BOX, "--json", "absent/b.json"], "--json .*: its folder does not exist"),
        (["--box", BOX, "--out", ".", "--out", "b.csv"], "a folder holds every format"),
        (["--box", BOX, "--out", "there"], "exists already"),
        (["--box", BOX, "--backend", "quantum"], "--backend quantum"),
        (["--box", BOX, "--device", "tpu"], "--device tpu"),
        ([], "no --box given and none can be drawn"),
    ],
)
def test_bad_input_leaves_nothing(
    tmp_path: Path,
    checkpoint: str,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    monkeypatch.setattr(window, "no_window", lambda: "there is no display")
    given = options if "--video" in options else ["--video", str(clip), *options]
    with pytest.raises(SpikeTrackError, match=message):
        invoke("track", checkpoint, *given)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["patch.avi", "there"]


def test_a_failure_midway_keeps_what_was_won(tmp_path: Path, checkpoint: str) -> None:
    folder = write_otb(tmp_path / "Patch", FRAMES, BOXES)
    (folder / "img" / "0006.png").write_bytes(b"no image")
    out, summary = tmp_path / "run", tmp_path / "run.json"
    arguments = ("track", checkpoint, "--video", folder, "--box", BOX)
    output = invoke(*arguments, "--out", out, "--json", summary, code=1)
    assert "0006.png: unreadable frame" in output
    assert "the 4 frames tracked before are kept" in output
    assert sorted(p.name for p in out.iterdir()) == sorted(FOLDER_FILES)
    assert len(read_csv(out / "boxes.csv")) == 5
    assert len(read_rectangles(out / "otb.txt")) == len(read_rectangles(out / "got10k.txt")) == 5
    assert open_clip(out / "track.mp4").length == 5
    written = json.loads(summary.read_text())
    assert (written["frames"], len(written["boxes"])) == (4, 5)
    assert "0006.png: unreadable frame" in written["problem"]
    (folder / "img" / "0002.png").write_bytes(b"no image")
    with pytest.raises(ClipError, match=r"0002\.png: unreadable frame"):
        invoke(*arguments, "--out", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_long_clips_that_fall_short(
    tmp_path: Path, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than a few is a warning, less than half an error; the boxes are there either way."""
    video = write_video(tmp_path / "patch.avi", FRAMES)
    arguments = ("track", checkpoint, "--video", video, "--box", BOX, "--out")
    monkeypatch.setattr(clips, "SCAN_FRAMES", 5)
    monkeypatch.setattr(clips, "read_header", lambda path: Header(12, True, 25.0, "mjpeg"))
    output = invoke(*arguments, tmp_path / "short.csv")
    assert "warning:" in output
    assert "8 frames decode, its header claims 12" in output
    assert len(read_csv(tmp_path / "short.csv")) == 8
    monkeypatch.setattr(clips, "read_header", lambda path: Header(20, True, 25.0, "mjpeg"))
    output = invoke(*arguments, tmp_path / "cut.csv", code=1)
    assert "truncated video: 8 frames decode, its header claims 20" in output
    assert len(read_csv(tmp_path / "cut.csv")) == 8


def test_files_grow_with_the_clip(tmp_path: Path, checkpoint: str) -> None:
    seen: list[int] = []
    out = tmp_path / "run"

    def frames() -> Iterator[Frame]:
        for frame in FRAMES:
            seen.append(len(read_csv(out / "boxes.csv")) if out.exists() else -1)
            yield frame

    opened = open_backend(checkpoint, "float")
    with TrackOutputs([out], 25.0) as outputs:
        tracking.run(opened, Clip("patch", 8, 25.0, (), frames), BOXES[0], outputs)
    assert seen == [-1, -1, 2, 3, 4, 5, 6, 7]


def test_a_file_that_is_replaced_meanwhile(tmp_path: Path) -> None:
    outputs = TrackOutputs([tmp_path / "b.csv"], 25.0)
    for index in range(2):
        outputs.add(FRAMES[index], TrackResult(index, BOXES[index], 0.5))
    (tmp_path / "b.csv").unlink()
    with pytest.raises(SpikeTrackError, match=r"b\.csv: was removed or replaced while it was writ"):
        outputs.__exit__(None, None, None)


def test_force_replaces_a_folder(tmp_path: Path, checkpoint: str, clip: Path) -> None:
    out = tmp_path / "run"
    arguments = ("--video", clip, "--box", BOX, "--frames", 1, "--out", out, "--force")
    invoke("track", checkpoint, *arguments)
    (out / "otb.txt").write_text("old")
    invoke("track", checkpoint, *arguments)
    assert len(read_rectangles(out / "otb.txt")) == 2
    assert sorted(p.name for p in out.iterdir()) == sorted(FOLDER_FILES)
    (out / "mine").touch()
    with pytest.raises(SpikeTrackError, match="holds mine, which this command did not write"):
        invoke("track", checkpoint, *arguments)
    assert (out / "mine").exists()


def test_an_interrupt_ends_a_camera(
    tmp_path: Path, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def frames() -> Iterator[Frame]:
        yield from FRAMES[:3]
        raise KeyboardInterrupt

    camera = Clip("camera 0", None, None, (), frames, live=True)
    monkeypatch.setattr("spiketrack.video.clip.open_clip", lambda source, count: camera)
    invoke("track", checkpoint, "--video", "0", "--box", BOX, "--out", tmp_path / "run")
    assert len(read_csv(tmp_path / "run" / "boxes.csv")) == 3
    assert open_clip(tmp_path / "run" / "track.mp4").length == 3


def test_an_interrupt_keeps_what_was_won_of_a_clip(
    tmp_path: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def frames() -> Iterator[Frame]:
        yield from FRAMES[:3]
        raise KeyboardInterrupt

    clip = Clip("patch", 8, 25.0, (), frames)
    opened = open_backend(checkpoint, "float")
    with (
        pytest.raises(KeyboardInterrupt),
        TrackOutputs([tmp_path / "run"], 25.0) as outputs,
    ):
        tracking.run(opened, clip, BOXES[0], outputs)
    assert len(read_csv(tmp_path / "run" / "boxes.csv")) == 3
    assert "interrupted; the 2 frames tracked before are kept" in capsys.readouterr().err


def test_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_source("2") == 2
    (tmp_path / "2").mkdir()
    assert parse_source("2") == "2"
    assert parse_source("clip.mp4") == "clip.mp4"


def test_default_folder_has_no_suffix(tmp_path: Path) -> None:
    clip = open_clip(write_video(tmp_path / "my clip.v2.avi", FRAMES))
    assert default_out(clip) == Path("my-clip-v2-track")


def test_drawing_a_box(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "no_window", lambda: "")
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    monkeypatch.setattr(cv2, "selectROI", lambda *args, **options: (1, 2, 3, 4))
    assert window.draw_box(FRAMES[0]) == Box(1, 2, 3, 4)
    monkeypatch.setattr(cv2, "selectROI", lambda *args, **options: (0, 0, 0, 0))
    with pytest.raises(ClipError, match="no box was drawn"):
        window.draw_box(FRAMES[0])


def test_drawing_without_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise cv2.error("no highgui")

    monkeypatch.setattr(window, "no_window", lambda: "")
    monkeypatch.setattr(cv2, "selectROI", fail)
    with pytest.raises(ClipError, match="OpenCV cannot open a window; give --box"):
        window.draw_box(FRAMES[0])


def test_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                 NONE\n")
    assert window.no_window().startswith("this OpenCV is a headless build; `pip install ")
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                 QT5\n")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert window.no_window() == "there is no display"
    monkeypatch.setenv("DISPLAY", ":0")
    assert window.no_window() == ""


def test_annotation_outlines_the_box() -> None:
    grey = np.full((72, 96, 3), 90, np.uint8)
    out = annotate(grey, Box(30, 30, 20, 10), "")
    assert (grey == 90).all()
    assert tuple(out[30, 40]) == tuple(out[39, 40]) == (255, 196, 0)
    assert tuple(out[35, 40]) == (90, 90, 90)


def test_filmstrip_spreads_over_any_length() -> None:
    strip = Filmstrip()
    for index in range(1000):
        strip.add(np.full((24, 240, 3), index // 4, np.uint8))
    picture = strip.picture()
    assert picture.shape == (48, 960, 3)
    shown = [int(picture[r * 24, c * 240, 0]) for r in range(2) for c in range(4)]
    steps = np.diff(shown)
    assert shown[0] == 0
    assert shown[-1] > 240
    assert steps.max() - steps.min() <= 4
    with pytest.raises(SpikeTrackError, match="no frame was tracked"):
        Filmstrip().picture()


def test_short_filmstrips_are_filled_up() -> None:
    strip = Filmstrip()
    for _ in range(5):
        strip.add(np.full((24, 240, 3), 7, np.uint8))
    assert strip.picture().shape == (48, 960, 3)
    assert strip.picture()[24:, 240:].max() == 0


@pytest.mark.slow
def test_a_checkpoint_on_the_integer_backend(tmp_path: Path, checkpoint: str, clip: Path) -> None:
    """It is quantised in memory; the evaluation prices what this backend counts."""
    csv = tmp_path / "b.csv"
    invoke(
        "track",
        checkpoint,
        "--video",
        clip,
        "--box",
        BOX,
        "--backend",
        "integer",
        "--frames",
        2,
        "--out",
        csv,
    )
    assert len(read_csv(csv)) == 3
    write_otb(tmp_path / "Patch", FRAMES, BOXES)
    figures = tmp_path / "figures.json"
    invoke(
        "evaluate",
        checkpoint,
        tmp_path / "Patch",
        "--backend",
        "integer",
        "--frames",
        2,
        "--json",
        figures,
    )
    mean = json.loads(figures.read_text())["mean"]
    assert 0 < mean["energy_mj"] < mean["template_mj"]  # three templates over two frames


@pytest.mark.slow
def test_a_simulation_keeps_what_was_won(tmp_path: Path, checkpoint: str) -> None:
    """The run holds the frames before the one that cannot be read; exit code 1."""
    folder = write_otb(tmp_path / "Patch", FRAMES, BOXES)
    (folder / "img" / "0004.png").write_bytes(b"no image")
    export_checkpoint(checkpoint, tmp_path / "tiny")
    arguments = ("simulate", tmp_path / "tiny", "--backend", "integer", "--video", folder)
    output = invoke(*arguments, "--box", BOX, "--out", tmp_path / "run", code=1)
    assert re.search(r"0004\.png: unreadable frame.*the 2 frames tracked\s+before are kept", output)
    assert len(read_csv(tmp_path / "run" / "boxes.csv")) == 3
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (run["frames"], run["clip"]["path"]) == (2, str(folder))


@pytest.mark.slow
def test_a_verification_compares_what_decodes(tmp_path: Path, checkpoint: str) -> None:
    """Up to the frame that cannot be read: compared, said, written; exit code 1."""
    folder = write_otb(tmp_path / "Patch", FRAMES, BOXES)
    (folder / "img" / "0004.png").write_bytes(b"no image")
    export_checkpoint(checkpoint, tmp_path / "tiny")
    arguments = ("verify", tmp_path / "tiny", "--backends", "inline", "--video", folder)
    findings = tmp_path / "verify.json"
    output = invoke(*arguments, "--box", BOX, "--frames", 6, "--json", findings, code=1)
    assert re.search(r"0004\.png: unreadable frame.*the 2 frames tracked\s+before are kept", output)
    assert "exact: integer and inline agree in all" in output
    found = json.loads(findings.read_text())
    assert (found["frames"], found["exact"], len(found["boxes"])) == (2, True, 3)
    (folder / "img" / "0002.png").write_bytes(b"no image")
    with pytest.raises(ClipError, match=r"0002\.png: unreadable frame"):
        invoke(*arguments, "--box", BOX, "--frames", 6)


def test_where_a_clip_came_from(tmp_path: Path) -> None:
    assert clip_source(Path("http://me:secret@host/a.mp4")) == "http://host/a.mp4"
    assert clip_source(tmp_path / "a.mp4") == str(tmp_path / "a.mp4")
    assert clip_source(None) == str(bundled_clip())
    note = read_pictures(Path("http://127.0.0.1:9/a.mp4"), 3).note
    assert note == "The clip came from http://127.0.0.1:9/a.mp4: not shown."


@pytest.mark.slow
def test_an_export_folder(tmp_path: Path, checkpoint: str, clip: Path) -> None:
    export_checkpoint(checkpoint, tmp_path / "tiny")
    arguments = ("--video", clip, "--box", BOX, "--frames", 2)
    invoke("track", tmp_path / "tiny", *arguments, "--out", tmp_path / "a.csv")
    invoke("track", checkpoint, *arguments, "--backend", "integer", "--out", tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    with pytest.raises(SpikeTrackError, match="is an export folder; give a checkpoint"):
        invoke("track", tmp_path / "tiny", *arguments, "--backend", "float")


@pytest.mark.slow
def test_one_bad_sequence_leaves_the_others(
    tmp_path: Path, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unreadable frame, no visible target, labels that do not fit: named, kept, gone on with."""
    monkeypatch.setattr(evaluation_plots, "write_png", lambda document, path: None)
    for name in "ABCD":
        write_otb(tmp_path / "otb" / name, FRAMES, BOXES)
    frame = tmp_path / "otb" / "B" / "img" / "0003.png"
    whole = frame.read_bytes()
    frame.write_bytes(b"")
    labels = tmp_path / "otb" / "C" / "groundtruth_rect.txt"
    labels.write_text(labels.read_text().partition("\n")[0] + "\n1,1,0,0" * 7 + "\n")
    (tmp_path / "otb" / "D" / "groundtruth_rect.txt").write_text("1,2,3,4\n" * 3)
    out, figures = tmp_path / "run", tmp_path / "run.json"
    arguments = ("evaluate", checkpoint, tmp_path / "otb", "--out", out, "--json", figures)
    output = invoke(*arguments, code=1)
    written = json.loads(figures.read_text())
    assert written == json.loads((out / "evaluation.json").read_text())
    assert (list(written["sequences"]), written["planned"]) == (["A"], ["A", "B", "C", "D"])
    assert "mean (1 of 4)" in output
    assert "0003.png: unreadable frame" in written["failed"]["B"]
    assert "C: no frame after the first has a visible target" in written["failed"]["C"]
    assert "D/groundtruth_rect.txt: 3 boxes for 8 frames" in written["failed"]["D"]
    for reason in written["failed"].values():
        assert f"failed: {reason}" in output
    seconds = written["sequences"]["A"]["seconds"]
    frame.write_bytes(whole)
    output = invoke(*arguments, code=1)
    assert "going on; 1 of 4 sequences are there" in output
    again = json.loads(figures.read_text())
    assert list(again["sequences"]) == ["A", "B"]
    assert again["sequences"]["A"]["seconds"] == seconds
    assert list(again["failed"]) == ["C", "D"]
    with pytest.raises(SpikeTrackError, match="unfinished evaluation with another frames_limit"):
        invoke(*arguments, "--frames", 2)
    with alone(out):
        for force in ((), ("--force",)):
            with pytest.raises(SpikeTrackError, match="another program evaluates here"):
                invoke(*arguments, *force)
    assert json.loads(figures.read_text()) == again


@pytest.mark.slow
def test_evaluate_command(tmp_path: Path, checkpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def chromeless(document: object, path: Path) -> None:
        raise MissingDependency("plots.png: skipped")

    monkeypatch.setattr(evaluation_plots, "write_png", chromeless)
    write_otb(tmp_path / "otb" / "A", FRAMES, BOXES)
    write_otb(tmp_path / "otb" / "B", FRAMES, BOXES)
    out, figures = tmp_path / "run", tmp_path / "run.json"
    output = invoke(
        "evaluate",
        checkpoint,
        tmp_path / "otb",
        "--frames",
        4,
        "--baseline",
        "mil",
        "--json",
        figures,
        "--out",
        out,
    )
    assert "plots.png: skipped" in output
    assert re.search(r"mil \(mean\)", output)
    written = json.loads(figures.read_text())
    assert written == json.loads((out / "evaluation.json").read_text())
    assert list(written["sequences"]) == ["A", "B"]
    assert written["sequences"]["A"]["frames"] == 4
    assert 0 <= written["mean"]["success_auc"] < written["baselines"]["mil"]["mean"]["success_auc"]
    assert written["tracker"]["update_every"] == 3
    assert len(read_rectangles(out / "boxes" / "tiny" / "B.txt")) == 5
    assert (out / "plots.html").is_file()
    with pytest.raises(SpikeTrackError, match="exists already"):
        invoke("evaluate", checkpoint, tmp_path / "otb", "--out", out)
