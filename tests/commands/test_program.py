"""The program round its commands: what it loads, signals, streams, broken packages, exit codes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.python import python

from spiketrack.commands import PANELS, _command, load, own_commands
from spiketrack.commands.help.examples import EXAMPLES
from spiketrack.version import VERSION

HEAVY = ("torch", "cv2", "numba", "lava", "numpy", "h5py", "nir", "onnx", "norse", "plotly", "av")
TWO = ("import sys", "from spiketrack.cli import main")


def run(
    *arguments: object, first: str = "", path: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, after ``first``, with ``path`` before all packages."""
    code = "\n".join([*TWO, first, "main(sys.argv[1:])"])
    known = {"PYTHONPATH": places(path)} | environment
    return python(code, *arguments, ends_with=None, environment=known)


def places(*before: Path | None) -> str:
    found = [str(place) for place in before if place is not None]
    return os.pathsep.join([*found, os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)


# what is loaded

LOADED = "import atexit; atexit.register(lambda: print('LOADED', *sys.modules))"


@pytest.mark.parametrize(
    "arguments", [(), ("--help",), ("--version",), *((name, "--help") for name in own_commands())]
)
def test_help_and_version_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    out = run(*arguments, first=LOADED).stdout
    modules = {name.partition(".")[0] for name in out.rpartition("LOADED")[2].split()}
    assert "spiketrack" in modules
    assert modules.isdisjoint(HEAVY)


def test_little_is_loaded_before_signals_find_their_handler() -> None:
    """What comes before is a traceback of Python's own: a Ctrl-C in the first tenth of a second."""
    found = python(
        "import sys; before = set(sys.modules); import spiketrack.cli; "
        "print(*set(sys.modules) - before)"
    )
    slow = {"importlib.metadata", "inspect", "dataclasses", "ctypes", "typing_extensions", "email"}
    assert "spiketrack.machine.interrupts" in found.stdout.split()
    assert slow.isdisjoint(found.stdout.split())


@pytest.mark.parametrize("words", ["spiketrack ", "spiketrack ver", "spiketrack simulate --ba"])
def test_completion_loads_nothing_heavy(words: str) -> None:
    found = run(
        first=LOADED, _SPIKETRACK_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS=words
    ).stdout
    answers, _, modules = found.rpartition("LOADED")
    assert any(answer in answers for answer in ("verify", "--backend")), answers
    assert {name.partition(".")[0] for name in modules.split()}.isdisjoint(HEAVY)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("spiketrack simulate run --backend in", {"integer", "inline"}),
        ("spiketrack verify run --backends integer,ch", {"integer,chip"}),
        ("spiketrack energy run --prices operations-l", {"operations-loihi1"}),
        ("spiketrack map run --board kapoho-p", {"kapoho-point"}),
        ("spiketrack export nano-", {"nano-t3"}),
        ("spiketrack run ne", {"near/", "net.pth"}),
        ("spiketrack schema veri", {"verify"}),
    ],
)
def test_values_are_completed(
    words: str, expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "near").mkdir()
    (tmp_path / "net.pth").touch()
    monkeypatch.chdir(tmp_path)
    place = str(len(words.split()) - 1)
    found = run(
        first=LOADED, _SPIKETRACK_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=place
    ).stdout
    answers, _, modules = found.rpartition("LOADED")
    assert set(answers.split()) == expected
    loaded = {name.partition(".")[0] for name in modules.split()}
    assert loaded.isdisjoint({"torch", "cv2", "numba", "lava"})


@pytest.mark.parametrize("name", own_commands())
def test_every_command_has_an_example_that_names_what_exists(name: str) -> None:
    assert EXAMPLES.get(name) or f"\nspiketrack {name} " in (load(name).__doc__ or "")
    for example in EXAMPLES.get(name, ()):
        program, command, *words = shlex.split(example)
        assert (program, command) == ("spiketrack", name)
        known = {option for param in _command(name).params for option in param.opts}
        assert {word for word in words if word.startswith("--")} <= known


def test_the_help_names_every_command_once() -> None:
    named = [name for names in PANELS.values() for name in names]
    assert len(named) == len(set(named))
    assert set(named) <= set(own_commands())
    assert "commands" not in own_commands()


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_both_programs_and_the_package_tell_their_version(option: str) -> None:
    home = Path(sys.executable).parent
    for program in ([sys.executable, "-m", "spiketrack"], [home / "spiketrack-export"]):
        found = subprocess.run([*program, option], capture_output=True, text=True, check=True)
        assert found.stdout == f"spiketrack {VERSION}\n"


# commands of other packages

HELLO = '''
from typing import Annotated
import typer

def hello(name: Annotated[str, typer.Argument(help="Whom.")]) -> None:
    """Greet a user of this command."""
    print(f"hello {name}")
'''


def install(folder: Path, name: str, module: str, points: str) -> None:
    """A package: a module and the metadata that an installer writes."""
    (folder / f"{name}.py").write_text(module)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[spiketrack.commands]\n{points}\n")


@pytest.mark.slow
def test_a_command_from_outside(tmp_path: Path) -> None:
    """It runs, stands in the help, may not take a name of ours, and harms nobody when broken."""
    install(tmp_path, "far", HELLO, "hello = far:hello\ninfo = far:hello")
    install(tmp_path, "bad", "import no_such_module", "bad = bad:bad")
    assert run("hello", "you", path=tmp_path).stdout == "hello you\n"
    out = run("--help", path=tmp_path).stdout
    assert "Greet a user of this command." in out
    assert "Show" in run("info", "--help", path=tmp_path).stdout
    broken = run("bad", path=tmp_path)
    assert (broken.returncode, broken.stdout) == (2, "")
    assert broken.stderr == (
        "spiketrack: error: bad: cannot be loaded (bad:bad: ModuleNotFoundError: "
        "No module named 'no_such_module')\n"
    )


# signals

SLOW = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.{signal})
    for _ in range(1000): time.sleep(1e-5)
except BaseException:
    pass  # as C code does while it imports
"""


HEED = """import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # of whom nohup runs the tests
"""


@pytest.mark.parametrize(
    ("name", "code", "word"),
    [
        ("SIGINT", 130, "interrupted"),
        ("SIGTERM", 143, "terminated"),
        ("SIGHUP", 129, "the terminal is gone"),
    ],
)
@pytest.mark.slow
def test_a_signal_while_packages_load_is_not_lost(
    name: str, code: int, word: str, tmp_path: Path
) -> None:
    (tmp_path / "torch.py").write_text(SLOW.format(signal=name))
    found = run("info", "nano", first=HEED, path=tmp_path)
    assert (found.returncode, found.stdout) == (code, ""), found.stderr
    assert found.stderr == f"spiketrack: error: {word}\n"


@pytest.mark.slow
def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    """As ``nohup`` does; the program then goes on to its end."""
    ignore = "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    strike = f"{ignore}; import threading; threading.Timer(0.2, os.kill, (os.getpid(), 1)).start()"
    assert run("info", "nano", first=strike).returncode == 0


@pytest.mark.parametrize("limit", [2**30, 2 * 2**30])
@pytest.mark.slow
def test_too_little_address_space_is_one_line(limit: int) -> None:
    """Where torch cannot be loaded, or not be used."""
    first = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))"
    done = run("info", "nano", first=first)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert re.match(r"spiketrack: error: memory runs out \(.+\); free some, or", done.stderr)
