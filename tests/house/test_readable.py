"""Tables and documents that come through a pipe, as ``<(command)`` of a shell gives them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.program import Program

from spiketrack.deploy.chip.board import load_board
from spiketrack.documents.yaml_files import read_yaml
from spiketrack.energy.prices import load_prices
from spiketrack.errors import ConfigError
from spiketrack.packaged import BOARDS, PRICE_TABLES, RATE_TABLES
from spiketrack.readable import readable
from spiketrack.timing.rates import load_rates

LOADERS: dict[str, tuple[Callable[[str], object], bytes]] = {
    "prices": (load_prices, PRICE_TABLES.read("operations-loihi1")),
    "board": (load_board, BOARDS.read("hala-point")),
    "rates": (load_rates, RATE_TABLES.read("loihi2-scaled")),
}


@contextmanager
def piped(content: bytes) -> Iterator[str]:
    """The name of a pipe that holds ``content``."""
    out, into = os.pipe()

    def write() -> None:
        with os.fdopen(into, "wb") as file:
            file.write(content)

    thread = threading.Thread(target=write)
    thread.start()
    yield f"/dev/fd/{out}"
    thread.join()
    os.close(out)


@pytest.mark.parametrize("kind", LOADERS)
def test_a_pipe_is_read_as_the_file_would_be_however_often(kind: str, tmp_path: Path) -> None:
    load, content = LOADERS[kind]
    path = tmp_path / "table.yaml"
    path.write_bytes(content)
    with piped(content) as name:
        assert load(name) == load(name) == load(str(path))


def test_what_comes_anew_through_a_named_pipe_is_read(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for number in (1, 2):
        descriptor = os.open(fifo, os.O_RDWR)
        os.write(descriptor, b"a: %d\n" % number)
        closing = threading.Timer(0.05, os.close, (descriptor,))
        closing.start()
        assert read_yaml(fifo) == {"a": number}
        closing.join()
    assert read_yaml(fifo) == {"a": 2}


def test_a_pipe_that_nobody_writes_to_is_no_reason_to_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spiketrack.readable.PATIENCE", 0.05)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(ConfigError, match=f"{fifo}: a pipe that nobody writes to"):
        load_prices(str(fifo))
    with piped(b"") as name, pytest.raises(ConfigError, match="no price table"):
        load_prices(name)


def test_folders_and_names_of_nothing_are_not_readable(tmp_path: Path) -> None:
    assert not readable(tmp_path)
    assert not readable(tmp_path / "none")
    assert not readable(Path("x" * 5000))
    assert not readable(Path("x\0"))
    with pytest.raises(ConfigError, match="no such price table or file"):
        load_prices(str(tmp_path))


def test_a_folder_of_all_steps_names_its_tables_again(program: Program, tmp_path: Path) -> None:
    with piped(BOARDS.read("loihi2")) as name:
        said = program.refuses("run", "nano", "--board", name, "--out", tmp_path / "demo")
    assert said == (
        f"--board {name}: a pipe, which settings.yaml could not name again; give a file"
    )
    assert list(tmp_path.iterdir()) == []
