"""Locks of folders that a later call goes on with: of one program, for as long as it lives."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spiketrack.errors import ConfigError
from spiketrack.evaluation.places import Places
from spiketrack.files import atomic_folder
from spiketrack.leftovers import leftovers
from spiketrack.machine.locks import LOCK, alone
from spiketrack.ownership import EVALUATION, RUN

HOLDER = """
import os, sys, time
from pathlib import Path
from spiketrack.machine.locks import alone
with alone(Path(sys.argv[1])):
    if not os.fork():
        print(os.getpid(), flush=True)  # it has begun, so it has let go
    time.sleep(60)
"""


@contextmanager
def holder(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A program that holds a folder, and the process that it forked."""
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        child = int(program.stdout.readline())
        try:
            yield program, child
        finally:
            program.kill()
            os.kill(child, signal.SIGKILL)


def test_a_second_program_is_refused(tmp_path: Path) -> None:
    with holder(tmp_path):
        wanted = rf"^{tmp_path}: another program works here; wait for its end or choose another"
        with pytest.raises(ConfigError, match=wanted), alone(tmp_path):
            pass
        assert (tmp_path / LOCK).is_file()


def test_a_killed_program_leaves_no_lock(tmp_path: Path) -> None:
    """Not even where a process that it forked lives on."""
    with holder(tmp_path) as (program, child):
        program.kill()
        program.wait()
        os.kill(child, 0)
        with alone(tmp_path) as said:
            assert said == ""
    assert list(tmp_path.iterdir()) == []


def test_a_forked_process_does_not_end_the_lock(tmp_path: Path) -> None:
    with alone(tmp_path):
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        with pytest.raises(ConfigError, match="another program works here"), alone(tmp_path):
            pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_said(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with alone(tmp_path) as said, alone(tmp_path):
        assert said.startswith(f"note: {tmp_path}: its file system has no locks; start no second")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_is_no_link_to_something_else(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    (tmp_path / LOCK).symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match=str(tmp_path / LOCK)), alone(tmp_path):
        pass
    assert (tmp_path / "mine").read_text() == "precious"


def test_folders_in_a_held_one_can_be_made(tmp_path: Path) -> None:
    """A lock of the folder itself would make whoever makes one in it wait for ever."""
    with holder(tmp_path), atomic_folder(tmp_path / "run", RUN) as folder:
        (folder / "run.json").write_text("{}")
    assert (tmp_path / "run").is_dir()


def test_a_new_evaluation_is_held_from_its_first_moment(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for force in (False, True):  # with force the folder that is replaced is held as well
        with Places(force, ()) as places:
            if force:
                places.hold(out)
            with places.anew(out) as folder:
                (folder / "evaluation.json").write_text('{"schema": "spiketrack.evaluation"}')
            with pytest.raises(ConfigError, match=f"^{out}: another program evaluates here"):
                places.hold(out)
        assert [path.name for path in out.iterdir()] == ["evaluation.json"]
    assert leftovers(tmp_path) == []


def test_a_lock_file_left_by_a_kill_is_ours_to_replace(tmp_path: Path) -> None:
    for name in ("evaluation.json", None):
        out = tmp_path / str(name)
        out.mkdir()
        (out / LOCK).touch()
        if name:
            (out / name).write_text('{"schema": "spiketrack.evaluation"}')
        assert EVALUATION.obstacle(out) == ""
        assert EVALUATION.obstacle(tmp_path) != ""
