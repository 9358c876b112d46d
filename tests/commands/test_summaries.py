"""What commands print at 80 columns, and in a pipe: short, within the lines, numbers whole."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch
from support.program import Program
from support.random_graphs import tiny_model
from support.synthetic_clips import moving_patch, write_images, write_otb
from support.training_data import write_config, write_root

from spiketrack.benchmark.results import Findings, Result
from spiketrack.commands import own_commands
from spiketrack.commands.bench import TIMES, _show_summary
from spiketrack.commands.simulate import simulate
from spiketrack.commands.views import LINES
from spiketrack.config import TrackerConfig
from spiketrack.documents.settings import RunSettings
from spiketrack.reference.checkpoint import save_checkpoint
from spiketrack.terminal.console import WHOLE

WIDE = 80
BOX = "10,20,20,16"
CLIP = ("--video", "clip", "--box", BOX)
FRAMES, BOXES = moving_patch(4)
LINE: dict[str, tuple[object, ...]] = {
    "run": ("out",),
    "info": ("out",),
    "convert": ("tiny.safetensors", "flat.safetensors"),
    "export": ("tiny.safetensors", "--out", "again", "--calibrate", "clip", "--box", BOX),
    "simulate": ("out", "--frames", 1, "--backend", "integer", "--out", "one"),
    "verify": ("out", "--backends", "integer,inline", "--frames", 1),
    "energy": ("out",),
    "map": ("out",),
    "time": ("out/run",),
    "report": ("out",),
    "track": ("tiny.safetensors", *CLIP, "--backend", "integer", "--out", "tracked"),
    "evaluate": ("tiny.safetensors", "Patch", "--baseline", "mil", "--workers", 1, "--out", "ev"),
    "score": ("scored", "other=scored", "Patch"),
    "train": ("tiny.yaml", "--data", "data", "--out", "trained"),
    "outlets": ("tiny.safetensors", "--frames", 1, "--only", "onnx-float,onnx,standard-nir"),
    "microcode": (),
    "partitions": (),
    "compare-chip": ("chip", "--kit", "kit"),
    "doctor": (),
}
ELSEWHERE = {
    "bench": "test_the_summary_of_bench",
    "sanafe": "needs a package of Python 3.10 and 3.11",
    "schema": "prints JSON",
}
TABLES = ("info", "energy", "map", "time")  # those with the widest
MARK = re.compile(r"(?<!\S)(?=\S*\d)[\d.,]*…[\d.,]*(?!\S)")  # a number that lost digits


def test_every_command_is_looked_at() -> None:
    assert {*LINE, *ELSEWHERE} == set(own_commands())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whatever the commands ask for, under short names; to be copied."""
    from spiketrack.commands.evaluate import evaluate
    from spiketrack.steps.run import run

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("home")
    checkpoint = folder / "tiny.safetensors"
    save_checkpoint(checkpoint, tiny_model(1), TrackerConfig())
    write_images(folder / "clip", FRAMES)
    write_otb(folder / "Patch", FRAMES, BOXES)
    write_root(folder / "data")
    write_config(folder / "tiny.yaml")
    asked = RunSettings(
        checkpoint=str(checkpoint),
        video=str(folder / "clip"),
        box=(10, 20, 20, 16),
        frames=2,
        backend="integer",
    )
    run(asked, folder / "out")
    clip = {"video": folder / "clip", "box": BOX, "frames": 1}
    simulate(
        folder / "out" / "export",
        out=folder / "chip",
        backend="chip",
        counts="full",
        mode="fall-through",
        **clip,  # type: ignore[arg-type]
    )
    evaluate(str(checkpoint), [folder / "Patch"], out=folder / "scored", workers=1)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "width"),
    [*((command, WIDE) for command in LINE), *((command, None) for command in TABLES)],
)
def test_a_command_keeps_within_thirty_lines_of_eighty_columns(
    command: str,
    width: int | None,
    home: Path,
    tmp_path: Path,
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(home, tmp_path / "h")
    monkeypatch.chdir(tmp_path / "h")
    set_width(width, monkeypatch)
    out = program(command, *LINE[command])
    for text in (out, program.err):
        check(text, width)


def set_width(width: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if width is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", str(width))


def check(text: str, width: int | None) -> None:
    """Few lines, none too long but for a path or address alone, no number cut."""
    lines = text.splitlines()
    if width is None:
        assert "…" not in text.replace(" … ", "")
        assert max(map(len, lines), default=0) < WHOLE
        return
    assert len(lines) <= LINES, text
    assert not [line for line in lines if len(line) > width], text
    assert not [line for line in lines if MARK.search(line)], text


@pytest.mark.parametrize("width", [WIDE, None], ids=["terminal", "pipe"])
def test_the_summary_of_bench(
    width: int | None, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All sizes, both branches, times of the slowest of them."""
    set_width(width, monkeypatch)
    rows = []
    for name in ("nano", "nano_t3", "spiketrack_s256_t3", "spiketrack_b256_t3", "spiketrack_b384"):
        for branch in ("search", "template"):
            rows += [Result(name, branch, measure, value=1280.7) for measure in TIMES]
            rows.append(Result(name, branch, "lava_over_float", ratio=0.5641))
        rows.append(Result(name, "search", "frames_per_second", value=5.273))
    _show_summary(Findings(results=rows))
    shown = capfd.readouterr().out
    check(shown, width)
    assert shown.count("1281") + shown.count("1280.7") + shown.count("1,281") >= 30
