"""Files and folders that appear whole: targets, links, streams, folders that are not ours."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.python import python

from spiketrack.errors import SpikeTrackError
from spiketrack.files import atomic_folder, atomic_path, write_json
from spiketrack.leftovers import MARK, beside, clear, leftovers
from spiketrack.ownership import EVALUATION, EXPORT, KINDS, RUN, TRACK, Kind
from spiketrack.targets import check_apart, check_folder, check_target
from spiketrack.tracking.outputs import TrackOutputs


def fill(folder: Path, kind: Kind) -> Path:
    """A folder of a kind, with all that its document names."""
    folder.mkdir()
    figures: dict[str, Any] = {"sequences": {"A": {}}, "planned": ["A"]}
    documents = {
        EXPORT: {"format": "spiketrack-export", "files": {"search.nir": "", "onnx/a.onnx": ""}},
        RUN: {"format": "spiketrack-run"},
        EVALUATION: {
            "schema": "spiketrack.evaluation",
            "method": "net",
            "baselines": {"kcf": figures},
            **figures,
        },
    }
    first = json.dumps(documents[kind]) if kind in documents else "frame,x,y,w,h,score\n"
    (folder / kind.document).write_text(first)
    for name in sorted(kind.names(folder) - {kind.document}):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("old")
    return folder


def replace(folder: Path, kind: Kind, force: bool = True, *inputs: Path) -> None:
    with atomic_folder(folder, kind, force, inputs) as temporary:
        (temporary / "new").write_text("new")


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


# folders


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.what)
def test_force_replaces_a_folder_of_ours(kind: Kind, tmp_path: Path) -> None:
    out = fill(tmp_path / "out", kind)
    with pytest.raises(SpikeTrackError, match="exists already; choose another --out or give"):
        replace(out, kind, False)
    replace(out, kind)
    assert names(tmp_path) == ["out", "out/new"]


def test_listed_files_are_known(tmp_path: Path) -> None:
    assert "onnx/a.onnx" in names(fill(tmp_path / "export", EXPORT))
    found = names(fill(tmp_path / "evaluation", EVALUATION))
    assert {"boxes/net/A.txt", "times/kcf/A.txt", "got10k/net/A/A_001.txt"} <= set(found)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.what)
@pytest.mark.parametrize(
    "name", ["thesis.txt", "deep/in/it/thesis.txt", ".hidden", "boxes/x/A.txt"]
)
def test_force_replaces_no_foreign_file(name: str, kind: Kind, tmp_path: Path) -> None:
    out = fill(tmp_path / "out", kind)
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    (out / name).write_text("precious")
    before = names(out)
    with pytest.raises(SpikeTrackError, match=f"holds {name}, which this command did not write"):
        replace(out, kind)
    with pytest.raises(SpikeTrackError, match=r"exists already; choose another --out$"):
        replace(out, kind, False)
    assert (names(out), (out / name).read_text()) == (before, "precious")


def test_force_replaces_no_folder_of_another_kind(tmp_path: Path) -> None:
    for kind in KINDS:
        out = fill(tmp_path / kind.what.replace(" ", ""), kind)
        before = names(out)
        for other in KINDS:
            if other is not kind:
                with pytest.raises(SpikeTrackError, match=f"is no {other.what} that this command"):
                    replace(out, other)
        assert names(out) == before


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"format": "other"}', "[" * 100_000, '{"also": 1}']
)
def test_a_document_that_is_not_ours(text: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text(text)
    with pytest.raises(SpikeTrackError, match="is no export that this command wrote"):
        replace(tmp_path / "out", EXPORT)


def test_a_foreign_empty_folder_and_a_link_are_foreign(tmp_path: Path) -> None:
    out = fill(tmp_path / "out", RUN)
    (out / "mine").mkdir()
    with pytest.raises(SpikeTrackError, match="holds mine, which"):
        replace(out, RUN)
    (out / "mine").rmdir()
    (out / "mine").symlink_to(tmp_path)
    with pytest.raises(SpikeTrackError, match="holds mine, which"):
        replace(out, RUN)


def test_an_empty_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    replace(tmp_path / "out", RUN)
    assert names(tmp_path) == ["out", "out/new"]


def test_places_that_are_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fill(tmp_path / "home", RUN)
    below = home / "below"
    below.mkdir()
    monkeypatch.setenv("HOME", str(below))
    for folder, message in ((below, "is your home folder"), (home, "holds your home folder")):
        with pytest.raises(SpikeTrackError, match=message):
            replace(folder, RUN)
    monkeypatch.setenv("HOME", str(tmp_path / "absent"))
    monkeypatch.chdir(below)
    for folder, message in (
        (Path(), "is the current folder"),
        (home, "holds the current folder"),
        (Path("/"), "is the root folder"),
    ):
        with pytest.raises(SpikeTrackError, match=message):
            replace(folder, RUN)
    assert "below" in names(home)


def test_an_input_is_never_replaced(tmp_path: Path) -> None:
    run = fill(tmp_path / "run", RUN)
    (tmp_path / "link").symlink_to(run)
    for out in (run, tmp_path / "link"):
        with pytest.raises(SpikeTrackError, match="is an input of this command"):
            replace(out, RUN, True, run)
        with pytest.raises(SpikeTrackError, match="holds an input of this command"):
            replace(out, RUN, True, run / "counts.h5")


def test_a_link_to_a_folder_is_followed(tmp_path: Path) -> None:
    run = fill(tmp_path / "run", RUN)
    (tmp_path / "link").symlink_to(run)
    replace(tmp_path / "link", RUN)
    assert (tmp_path / "link").is_symlink()
    assert names(run) == ["new"]


def overtaken(out: Path, force: bool) -> None:
    with atomic_folder(out, RUN, force) as temporary:
        (temporary / "mine").touch()
        out.mkdir()
        (out / "first").touch()


def test_a_folder_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    """Also with force, where what has appeared is not ours."""
    for force in (False, True):
        out = tmp_path / f"out{force}"
        with pytest.raises(SpikeTrackError, match=rf"written meanwhile.*is in .*{out.name}-2$"):
            overtaken(out, force)
        assert names(out) == ["first"]
        assert names(tmp_path / f"{out.name}-2") == ["mine"]
    assert len(list(tmp_path.iterdir())) == 4


def test_a_folder_that_is_being_written_is_refused(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "out", RUN):
        with pytest.raises(SpikeTrackError, match="another program is writing it"):
            replace(tmp_path / "out", RUN)
        replace(tmp_path / "other", RUN)
    assert names(tmp_path) == ["other", "other/new", "out"]


WRITER = """
import sys
from pathlib import Path
from spiketrack.errors import SpikeTrackError
from spiketrack.files import atomic_folder
from spiketrack.ownership import RUN
try:
    with atomic_folder(Path(sys.argv[1]), RUN) as folder:
        print(flush=True)
        sys.stdin.readline()
        (folder / "made").write_text(sys.argv[2])
except SpikeTrackError as error:
    print(error, flush=True)
"""


def start_writer(out: Path, text: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(out), text]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_of_two_programs_one_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    programs = [start_writer(out, str(number)) for number in range(3)]
    said = [program.stdout.readline().strip() for program in programs if program.stdout]
    for program in programs:
        program.communicate("\n")
    assert said.count("") == 1
    assert all("another program is writing" in line for line in said if line)
    assert (out / "made").read_text() == str(said.index(""))
    assert names(tmp_path) == ["out", "out/made"]


def test_what_a_killed_program_leaves_is_found(tmp_path: Path) -> None:
    program = start_writer(tmp_path / "out", "")
    assert program.stdout is not None
    program.stdout.readline()
    assert leftovers(tmp_path) == []
    program.kill()
    program.communicate()
    (left,) = leftovers(tmp_path)
    assert left.name.startswith(f".out.{MARK}")
    replace(tmp_path / "out", RUN)
    clear(left)
    assert names(tmp_path) == ["out", "out/new"]


def test_hidden_files_of_others_are_no_leftovers(tmp_path: Path) -> None:
    for name in (".bashrc", ".out.k2j3h4", f".out.{MARK}", f"out.{MARK}0123abcd", ".spiketrack"):
        (tmp_path / name).touch()
    (tmp_path / f".link.{MARK}0123abcd").symlink_to(tmp_path / ".bashrc")
    assert leftovers(tmp_path) == []


# files


def fail_halfway(path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyError


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="Out of range"):
        write_json(path, float("nan"))
    with pytest.raises(KeyError):
        fail_halfway(path)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.json"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    for name in ("there", "absent"):
        (tmp_path / name).symlink_to(tmp_path / "far" / name)
    (tmp_path / "far" / "there").write_text("old")
    for name in ("there", "absent"):
        check_target("--json", tmp_path / name)
        write_json(tmp_path / name, 1)
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "far" / name).read_text() == "1\n"


def test_a_loop_of_links(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SpikeTrackError, match="loop: a loop of links"):
        check_target("--json", tmp_path / "loop")


def test_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new file has what umask leaves, an old one keeps its own, a share may refuse."""
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "new", 1)
        (tmp_path / "old").touch(0o600)
        write_json(tmp_path / "old", 1)
        replace(tmp_path / "folder", RUN)
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("new", "old", "folder")]
    assert modes == [0o640, 0o600, 0o750]

    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    for name in ("chmod", "fchmod"):
        monkeypatch.setattr(os, name, refuse)
    write_json(tmp_path / "old", 2)
    replace(tmp_path / "more", RUN)
    assert (tmp_path / "old").read_text() == "2\n"


def fifo(path: Path) -> Callable[[], str]:
    """A named pipe, and what comes out of it."""
    os.mkfifo(path)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(path.read_text()))
    reader.start()

    def result() -> str:
        reader.join(10)
        return found[0]

    return result


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    read = fifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    check_target("--json", tmp_path / "link")
    write_json(tmp_path / "link", [1])
    assert json.loads(read()) == [1]
    assert (tmp_path / "pipe").is_fifo()
    assert names(tmp_path) == ["link", "pipe"]


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    null = Path("/dev/null")
    check_target("--json", null)
    write_json(null, 1)
    assert null.is_char_device()
    with pytest.raises(OSError, match="No space left"):
        write_json(Path("/dev/full"), 1)
    assert Path("/dev/full").is_char_device()


PRINTER = """
import sys
from pathlib import Path
from spiketrack.files import write_json
print("first", flush=True)
write_json(Path(sys.argv[1]), 1)
print("last", flush=True)
"""


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_standard_output_by_all_its_names(name: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    command = [sys.executable, "-c", PRINTER, name]
    out = tmp_path / "out"
    with out.open("w") as file:
        where = file if kind == "file" else subprocess.PIPE
        done = subprocess.run(command, stdout=where, text=True, check=True, cwd=tmp_path)
    text = out.read_text() if kind == "file" else done.stdout
    assert text == "first\n1\nlast\n"
    assert names(tmp_path) == ["link", "out"]


def test_another_open_file_is_not_cut(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        file.write("first\n")
        file.flush()
        write_json(Path(f"/dev/fd/{file.fileno()}"), 1)
    assert (tmp_path / "log").read_text() == "first\n1\n"


def test_errors_name_the_target(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    with pytest.raises(OSError, match="No space") as found, atomic_path(path) as temporary:
        raise OSError(errno.ENOSPC, "No space left on device", str(temporary))
    assert found.value.filename == str(path)
    with pytest.raises(SpikeTrackError, match=f"^{path}: broken$"), atomic_path(path) as temporary:
        raise SpikeTrackError(f"{temporary}: broken")
    out = tmp_path / "out"
    with pytest.raises(OSError, match="No space") as found, atomic_folder(out, RUN) as temporary:
        raise OSError(errno.ENOSPC, "No space left on device", str(temporary / "counts.h5"))
    assert found.value.filename == str(out / "counts.h5")


def test_long_names_have_short_temporary_names(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 245 + ".json")
    write_json(path, 1)
    assert len(beside(path).name) < 100
    assert beside(Path("a/b.mp4")).suffix == ".mp4"


# checks before the work


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent/a.json", "--json .*absent/a.json: its folder does not exist"),
        ("file/a.json", "--json .*file/a.json: its folder does not exist"),
        (".", "--json .*: is a folder"),
        ("input.json", "--json .*: is an input of this command"),
        ("link", "--json .*: is an input of this command"),
        ("run/run.json", "--json .*: is an input of this command"),
        ("run/counts.h5", "--json .*: is an input of this command"),
        ("frames/0001.jpg", "--json .*: is an input of this command"),
    ],
)
def test_targets_that_are_refused(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "input.json").touch()
    (tmp_path / "link").symlink_to("input.json")
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "0001.jpg").touch()
    inputs = (tmp_path / "input.json", fill(tmp_path / "run", RUN), tmp_path / "frames", "nano")
    with pytest.raises(SpikeTrackError, match=message):
        check_target("--json", tmp_path / name, inputs)


def test_two_results_in_one_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to(tmp_path)
    one, again = tmp_path / "a.json", tmp_path / "here" / "a.json"
    check_apart([("--json", one), ("--csv", tmp_path / "a.csv")])
    check_apart([("--json", Path("/dev/null")), ("--csv", Path("/dev/null"))])
    with pytest.raises(SpikeTrackError, match=r"--csv .*a\.json: --json writes it; choose another"):
        check_apart([("--json", one), ("--csv", again)])
    with pytest.raises(SpikeTrackError, match=r"^--csv -: --json writes it; choose another"):
        check_apart([("--json", Path("-")), ("--csv", Path("-"))])
    with pytest.raises(SpikeTrackError, match=r"--out .*a\.csv: --out writes it"):
        TrackOutputs([tmp_path / "a.csv", tmp_path / "here" / "a.csv"], None)


def test_results_beside_an_input_may_be_written_again(tmp_path: Path) -> None:
    run = fill(tmp_path / "run", RUN)
    for folder in (run, tmp_path):
        (folder / "energy.json").touch()
        check_target("--json", folder / "energy.json", (folder,))


READ_ONLY = """
import ctypes, os, sys
from pathlib import Path
libc = ctypes.CDLL(None, use_errno=True)
if os.geteuid():
    os.chmod(sys.argv[1], 0o500)
else:  # a private mount, read-only
    assert libc.unshare(0x00020000) == 0
    assert libc.mount(b"none", b"/", None, 0x44000, None) == 0
    assert libc.mount(b"none", sys.argv[1].encode(), b"tmpfs", 1, None) == 0
from spiketrack.errors import SpikeTrackError
from spiketrack.ownership import RUN
from spiketrack.targets import check_folder, check_target
for check in (
    lambda path: check_target("--json", path),
    lambda path: check_folder("--out", path, RUN, False),
):
    try:
        check(Path(sys.argv[1]) / "a")
    except SpikeTrackError as error:
        print(error)
"""


def test_a_folder_that_takes_no_file(tmp_path: Path) -> None:
    said = python(READ_ONLY, tmp_path).stdout
    reason = "Permission denied" if os.geteuid() else "Read-only file system"
    expected = [
        f"{option} {tmp_path}/a: its folder cannot be written to ({reason})"
        for option in ("--json", "--out")
    ]
    assert said.splitlines() == expected


def test_a_folder_is_checked_as_it_will_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpikeTrackError, match=r"--out .*file: is a file, not a folder"):
        check_folder("--out", tmp_path / "file", TRACK, True)
    with pytest.raises(SpikeTrackError, match=r"--out .*: its folder does not exist"):
        check_folder("--out", tmp_path / "absent" / "out", TRACK, False)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.what)
def test_a_pipe_in_the_place_of_the_document_is_not_waited_for(kind: Kind, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / kind.document)
    assert kind.recognises(tmp_path) is None
    assert kind.obstacle(tmp_path).startswith("is no ")


# text


def _texts(tree: ast.Module) -> Iterator[ast.Call]:
    """Calls that read or write text and leave the encoding to the user's locale."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        given = {keyword.arg for keyword in call.keywords}
        decoded = any(k.arg == "text" and ast.unparse(k.value) == "True" for k in call.keywords)
        place = {"read_text": 0, "write_text": 1, "TextIOWrapper": 1}.get(name)
        texts = place is not None and len(call.args) <= place
        first = isinstance(call.func, ast.Name)  # open(path, mode), path.open(mode)
        opened = name == "open" and any(map(_text_mode, call.args[first : first + 1]))
        if (texts or opened or decoded) and not given & {"encoding", "errors"}:
            yield call


def _text_mode(argument: ast.expr) -> bool:
    mode = argument.value if isinstance(argument, ast.Constant) else None
    return isinstance(mode, str) and re.fullmatch(r"[rwax]\+?t?", mode) is not None


@pytest.mark.parametrize("folder", ["spiketrack", "export", "deploy", "simulators", "tools"])
def test_no_text_depends_on_the_locale(folder: str) -> None:
    """In an ASCII locale Python would read its own sources, and a note of ours, as ASCII."""
    root = Path(__file__).parents[2]
    bare = [
        f"{path.relative_to(root)}:{call.lineno}: {ast.unparse(call)}"
        for path in sorted((root / folder).rglob("*.py"))
        if not path.name.startswith("test_")
        for call in _texts(ast.parse(path.read_text("utf-8")))
    ]
    assert bare == []
