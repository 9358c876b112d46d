"""Where the program's words go: pipes that close, full disks, other encodings, narrow terminals."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from support.program import Program
from support.random_graphs import tiny_model
from support.synthetic_clips import moving_patch, write_otb

from spiketrack.config import TrackerConfig
from spiketrack.reference.checkpoint import save_checkpoint

PROGRAM = [sys.executable, "-m", "spiketrack"]
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("home") / "tiny.safetensors"
    save_checkpoint(path, tiny_model(1), TrackerConfig())
    return path


def known(**changed: str) -> dict[str, str]:
    """The environment without what would choose a width, colours or an encoding."""
    gone = ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "PYTHONIOENCODING", "TERM")
    return {k: v for k, v in os.environ.items() if k not in gone} | {"TERM": "xterm"} | changed


def piped(*arguments: object, **changed: str) -> subprocess.CompletedProcess[bytes]:
    words = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, env=known(**changed), check=False)


TABLE = ("partitions", "--layers")  # a command with a table and a document, quick to start


def info(checkpoint: Path, *more: object) -> list[object]:
    return ["info", checkpoint, "--layers", *more]


@pytest.mark.slow
def test_a_closed_pipe_ends_quietly_and_files_are_written(tmp_path: Path) -> None:
    for arguments in ((*TABLE, "--json", tmp_path / "i.json"), ("--help",), ("--version",)):
        reader, writer = os.pipe()
        os.close(reader)
        words = [*PROGRAM, *map(str, arguments)]
        end = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, env=known(), check=False)
        os.close(writer)
        assert (end.returncode, end.stderr) == (141, b""), arguments
    assert json.loads((tmp_path / "i.json").read_text())["printed"]


@pytest.mark.slow
def test_notes_to_a_closed_pipe_cost_nothing(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = [*PROGRAM, "info", "nano", "--json", str(tmp_path / "i.json")]
    (tmp_path / "nano").mkdir()  # a note says that the folder is meant, an error that it is none
    end = subprocess.run(words, stderr=writer, cwd=tmp_path, env=known(), check=False)
    os.close(writer)
    assert end.returncode == 2


@pytest.mark.slow
def test_a_full_output_is_named_and_files_are_written(tmp_path: Path) -> None:
    words = [*PROGRAM, *TABLE, "--json", str(tmp_path / "i.json")]
    with Path("/dev/full").open("wb") as full:
        end = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, env=known(), check=False)
    assert end.returncode == 2
    assert end.stderr.decode().startswith("spiketrack: error: ")
    assert "the disk is full" in end.stderr.decode()
    assert end.stderr.count(b"\n") == 1
    assert (tmp_path / "i.json").is_file()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.slow
def test_streams_that_are_closed(closed: str, checkpoint: Path, tmp_path: Path) -> None:
    command = info(checkpoint) if len(closed) > 4 else TABLE  # all closed: torch is loaded, too
    line = ["sh", "-c", f'exec "$@" {closed}', "sh"]
    words = [*line, *PROGRAM, *map(str, (*command, "--json", tmp_path / "i"))]
    assert subprocess.run(words, env=known(), capture_output=True, check=False).returncode == 0
    assert (tmp_path / "i").is_file()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "koi8-r"])
@pytest.mark.slow
def test_other_encodings_lose_no_number(encoding: str, checkpoint: Path, tmp_path: Path) -> None:
    command = info(checkpoint) if encoding == "ascii" else TABLE
    whole = piped(*command, PYTHONIOENCODING="utf-8")
    end = piped(*command, "--json", tmp_path / "i.json", PYTHONIOENCODING=encoding)
    assert (end.returncode, end.stderr) == (0, b"")
    assert (tmp_path / "i.json").is_file()
    numbers = [
        re.findall(r"\d[\d,.]*", out.stdout.decode(code))
        for out, code in ((whole, "utf-8"), (end, encoding))
    ]
    assert numbers[0] == numbers[1]


def test_a_help_in_ascii() -> None:
    assert piped("simulate", "--help", PYTHONIOENCODING="ascii").returncode == 0


@pytest.mark.slow
def test_json_on_standard_output_moves_tables_aside() -> None:
    end = piped(*TABLE, "--json", "-")
    assert json.loads(end.stdout)["printed"]
    assert b"printed rows" in end.stderr


@pytest.mark.slow
def test_colours_are_forced_into_a_pipe_and_nothing_else_changes() -> None:
    plain, forced = piped(*TABLE), piped(*TABLE, FORCE_COLOR="1")
    assert forced.stderr == b""
    assert b"\x1b[" in forced.stdout
    assert ANSI.sub("", forced.stdout.decode()) == plain.stdout.decode()
    assert b"\x1b[" not in plain.stdout


def on_terminal(columns: int, *arguments: object, **changed: str) -> str:
    """What a terminal of so many columns shows."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    words = [*PROGRAM, *map(str, arguments)]
    with subprocess.Popen(
        words, stdout=slave, stderr=subprocess.DEVNULL, env=known(**changed)
    ) as run:
        os.close(slave)
        shown = b""
        try:
            while more := os.read(master, 65536):
                shown += more
        except OSError:  # Linux's word for the end of a terminal
            pass
        assert run.wait() == 0
    os.close(master)
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [80, 60])
@pytest.mark.slow
def test_a_narrow_terminal_shows_whole_numbers(
    columns: int, checkpoint: Path, tmp_path: Path
) -> None:
    document = tmp_path / "i.json"
    out = on_terminal(columns, *info(checkpoint, "--json", document), NO_COLOR="1")
    assert max(len(ANSI.sub("", line)) for line in out.splitlines()) <= columns
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", out)
    for row in json.loads(document.read_bytes())["layers"]["search"]:
        if row["dense_mac"]:
            assert f"{row['dense_mac']:,}" in out


def test_a_current_folder_that_was_deleted_is_told(
    program: Program, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    said = program.refuses("info", checkpoint)
    assert said == "the current folder was deleted; change into another one"


def test_a_table_is_shown_where_its_file_could_not_be_written(
    program: Program, checkpoint: Path
) -> None:
    shown = program(*info(checkpoint))
    assert program(*info(checkpoint, "--json", "/dev/full"), code=2) == shown
    assert "the disk is full" in program.err


FULL = ("--json", "/dev/full")


def test_what_was_won_is_shown_where_its_file_could_not_be_written(
    program: Program, checkpoint: Path, tmp_path: Path
) -> None:
    frames, boxes = moving_patch(4)
    data = write_otb(tmp_path / "data" / "patch", frames, boxes)
    box = ",".join(f"{value:g}" for value in boxes[0].as_tuple())
    clip = ("--video", data / "img", "--box", box)
    results = tmp_path / "ours" / "patch.txt"
    results.parent.mkdir()
    results.write_text((data / "groundtruth_rect.txt").read_text())
    track = ("track", checkpoint, *clip, "--out", tmp_path / "boxes.csv", *FULL)
    assert "3 frames, " in program(*track, code=2)
    assert "the disk is full" in program.err
    export = ("export", checkpoint, "--out", tmp_path / "ex", *FULL)
    assert "next: spiketrack simulate" in program(*export, code=2)
    score = ("score", results.parent, data.parent, *FULL)
    assert "scored by" in program(*score, code=2)
    assert "34 of 34 printed rows" in program("partitions", *FULL, code=2)
