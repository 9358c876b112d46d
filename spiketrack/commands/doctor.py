"""``spiketrack doctor``: whether this machine can run everything, and what to do if not."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from spiketrack.commands import broken_commands
from spiketrack.commands.targets import then_show, will_write
from spiketrack.leftovers import clear as clear_leftover
from spiketrack.leftovers import leftovers
from spiketrack.machine import limits, packages
from spiketrack.machine.packages import OPENCV, Loaded, Requirement, installed
from spiketrack.optional import remedy
from spiketrack.simulators.backends import backends, broken_backends
from spiketrack.terminal.console import say
from spiketrack.terminal.progress import stages
from spiketrack.terminal.table import Column, Table, print_table

OLDEST, NEWEST = (3, 10), (3, 13)  # Pythons that are tested
PATIENCE = 120.0  # seconds for the small network on Lava
SMOKE = (
    "from spiketrack.deploy.lava.smoke import smoke_run; "
    "print('exact' if smoke_run() else 'differs')"
)
OPERATORS = (
    "from spiketrack.integer.exact_choice import COUNTS, chosen; "
    "variant = chosen(COUNTS); print(variant.name, variant.note or 'fast', sep='|')"
)


EXTRA, ABSENT = "extra ", "absent"


@dataclass(frozen=True)
class Check:
    """What was looked at, what was found, whether that is enough, what to do if not."""

    what: str
    found: str
    ok: bool
    remedy: str = ""


def doctor(
    clear: Annotated[
        bool,
        typer.Option("--clear", help="Remove what killed programs left in the current folder."),
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Write the findings.")] = None,
) -> None:
    """Check Python, packages, cores, memory, /dev/shm and run a small network on Lava.

    Works where packages are missing or broken: it imports them in processes apart. Exit code 1
    if something that is needed is missing.
    """
    from spiketrack.documents.doctor import CheckRow, DoctorDocument

    will_write(json=json)
    with stages("looking at the machine") as tell:
        checks = [_python(), *_machine(), *_leftovers(clear)]
        tell("importing packages")
        checks += _packages()
        tell("running a small network on Lava")
        checks += [_operators(), _lava()]
    with then_show(lambda: print_table(_table(checks))):
        if json is not None:
            rows = tuple(CheckRow(**asdict(check)) for check in checks)
            DoctorDocument(checks=rows).write(json)
    for check in checks:
        if check.remedy:
            say(f"{check.what}: {check.remedy}")
    missing = [check.what for check in checks if not check.ok]
    if missing:
        say(f"missing or broken: {', '.join(missing)}; see above", "bold red")
        raise typer.Exit(1)
    say("everything that is needed is here", "bold green")


def _table(checks: list[Check]) -> Table:
    """Packages that are fine stand in one line, and extras of which nothing is there in another.

    What is not there and not needed is no "yes".
    """
    fine = [c for c in checks if c.what in _required_names() and c.ok and not c.remedy]
    lacking = [c for c in checks if c.what.startswith(EXTRA) and c.found == ABSENT]
    rest = [check for check in checks if check not in (*fine, *lacking)]
    together = Check("packages", ", ".join(f"{c.what} {c.found}" for c in fine), True)
    without = ", ".join(c.what.removeprefix(EXTRA) for c in lacking)
    rows = [rest[0], *([together] if fine else []), *rest[1:]]
    if lacking:
        rows.append(Check("extras absent", without, True, "see below"))
    columns = (
        Column("what", kind="name"),
        Column("found", kind="text"),
        Column("ok"),
    )
    shown = [(c.what, c.found, None if c.ok and c.remedy else c.ok) for c in rows]
    return Table.of("this machine", columns, shown)


def _required_names() -> set[str]:
    return {requirement.name for requirement in packages.requirements() if not requirement.extra}


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    fine = OLDEST <= sys.version_info[:2] <= NEWEST
    fix = f"tested are {_dotted(OLDEST)} to {_dotted(NEWEST)}: make setup takes the newest there"
    return Check("Python", version, fine, "" if fine else fix)


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def _packages() -> Iterator[Check]:
    """Every package of this one's metadata, extras together, and what stands on them."""
    asked = packages.requirements()
    if not asked:
        yield Check(packages.NAME, "not installed", False, "pip install -e .")
    wanted = [*(requirement.module for requirement in asked), *_backend_modules()]
    loaded = packages.load(wanted)
    for requirement in asked:
        if not requirement.extra:
            yield _required(requirement, loaded)
    yield from _opencv_twice()
    for extra in dict.fromkeys(requirement.extra for requirement in asked if requirement.extra):
        theirs = [requirement for requirement in asked if requirement.extra == extra]
        yield _extra(extra, theirs, loaded)
    yield from _backends(loaded)
    for name, why in {**broken_backends(), **broken_commands()}.items():
        yield Check(name, why, True, "of another package: mend or remove that")


def _required(requirement: Requirement, loaded: dict[str, Loaded]) -> Check:
    fix = f"pip install '{requirement.text}'"
    version = _opencv_version() if requirement.module == "cv2" else installed(requirement.name)
    if not requirement.module:
        there = version is not None
        return Check(requirement.name, version or "missing", there, "" if there else fix)
    answer = loaded[requirement.module]
    if not answer.error:
        return Check(requirement.name, answer.version or version or "loads", True)
    if answer.missing:
        return Check(requirement.name, "missing", False, fix)
    return Check(
        requirement.name, f"{version or ''} broken: {answer.error}".strip(), False,
        fix.replace("install", "install --force-reinstall"),
    )  # fmt: skip


def _opencv_version() -> str | None:
    """Whichever of the distributions that bring cv2 is installed."""
    return next((f"{v} ({name})" for name in OPENCV if (v := installed(name))), None)


def _opencv_twice() -> Iterator[Check]:
    there = [name for name in OPENCV if installed(name)]
    if len(there) > 1:
        yield Check(
            "OpenCV", f"{len(there)} at once: {', '.join(there)}", True,
            "all write the same folder cv2; remove all, then install one",
        )  # fmt: skip


def _extra(extra: str, asked: list[Requirement], loaded: dict[str, Loaded]) -> Check:
    """An extra is optional: what is absent is told, what is broken as well."""
    words, fine, there = [], True, False
    for requirement in asked:
        version = installed(requirement.name)
        answer = loaded.get(requirement.module, Loaded(None))
        broken = version is not None and answer.error
        fine = fine and version is not None and not broken
        there = there or version is not None
        words.append(
            f"{requirement.name} {version or 'absent'}" + (f" broken: {broken}" if broken else "")
        )
    fix = "" if fine else f"optional: {remedy(extra)}"
    return Check(f"{EXTRA}{extra}", ", ".join(words) if there else ABSENT, True, fix)


def _backend_modules() -> list[str]:
    return [name for row in backends().values() for name in row.packages]


def _backends(loaded: dict[str, Loaded]) -> Iterator[Check]:
    """The backends that can run, in one line, and what each of the others lacks."""
    lacking = {
        name: [module for module in row.packages if loaded[module].error]
        for name, row in backends().items()
    }
    yield Check("backends", ", ".join(n for n, lack in lacking.items() if not lack), True)
    for name, lack in lacking.items():
        if lack:
            yield Check(f"backend {name}", f"cannot import {', '.join(lack)}", True, "see above")


def _machine() -> Iterator[Check]:
    """What this process may use, against what nano takes on Lava."""
    need = limits.NANO
    yield Check("cores", limits.cores()[1], True)
    left, total, why = limits.memory()
    enough = left > need.memory
    yield Check(
        "memory", f"{left / 1e9:.1f} of {total / 1e9:.1f} GB free{why}", enough,
        "" if enough else f"nano takes {need.memory / 1e9:.1f} GB on Lava, 0.4 GB on integer",
    )  # fmt: skip
    yield _shared(limits.shared_memory(), need.shared)
    files = limits.descriptors()
    fine = files >= need.descriptors
    yield Check(
        "open files", f"{files:,} allowed" if files < 2**31 else "no limit", fine,
        "" if fine else f"nano takes {need.descriptors:,} on Lava: ulimit -n 8192",
    )  # fmt: skip
    most = limits.processes()
    fine = most >= need.processes
    yield Check(
        "processes", f"{most:,} allowed" if most < 2**31 else "no limit", fine,
        "" if fine else f"nano takes {need.processes} on Lava: ulimit -u, pids of the container",
    )  # fmt: skip


def _leftovers(remove: bool) -> Iterator[Check]:
    """Temporary files and folders of programs that were killed, in the current folder."""
    left = leftovers(Path.cwd())
    for path in left if remove else []:
        clear_leftover(path)
    if left:
        names = ", ".join(path.name for path in left)
        verb = "removed" if remove else "left by a program that was killed"
        yield Check("leftovers", f"{names}: {verb}", True, "" if remove else "doctor --clear")


def _shared(free: int | None, need: float) -> Check:
    if free is None:
        return Check("/dev/shm", "missing", False, "Lava's semaphores live there: use Linux")
    if not limits.shared_writable():
        return Check("/dev/shm", "read-only", False, "mount -o remount,rw,mode=1777 /dev/shm")
    fine = free >= need
    return Check(
        "/dev/shm", f"{free / 1e6:,.0f} MB free", fine,
        "" if fine else f"nano takes {need / 1e6:.0f} MB on Lava: docker run --shm-size=256m, or "
        "mount -o remount,size=256M /dev/shm",
    )  # fmt: skip


def _lava() -> Check:
    """A two-layer network on the real runtime, against the integer evaluator."""
    if installed("lava-nc") is None:
        return Check("Lava run", "Lava is not installed", True, f"optional: {remedy('lava')}")
    begin = time.perf_counter()
    verdict = _said(SMOKE)
    fine = verdict == "exact"
    seconds = time.perf_counter() - begin
    fix = "" if fine else "mend what stands above; then spiketrack simulate nano shows more"
    return Check("Lava run", f"{verdict} in {seconds:.1f} s", fine, fix)


def _operators() -> Check:
    """Which of torch's operators are proven exact here, and whether they are the fast ones."""
    name, _, note = _said(OPERATORS).partition("|")
    fix = "" if note == "fast" else (note or "install a torch that docs/platforms.md names")
    return Check("8-bit operator", name, bool(note), fix)


def _said(program: str) -> str:
    """The last line of a program in a process apart."""
    try:
        end = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, errors="replace",
            timeout=PATIENCE, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "no answer"
    said = (end.stdout if end.returncode == 0 else end.stderr).strip().splitlines()
    return said[-1] if said else f"exit code {end.returncode}"
