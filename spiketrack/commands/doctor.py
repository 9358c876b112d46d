"""``spiketrack doctor``: whether this machine can run everything, and what to do if not."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

from spiketrack.commands.tables import say, table
from spiketrack.commands.targets import will_write

REQUIRED = ("torch", "numpy", "lava-nc", "nir", "h5py", "opencv-python-headless", "scikit-video")
OPTIONAL = {
    "onnx": "onnx", "onnxruntime": "onnx", "norse": "norse", "nirtorch": "norse",
    "lava-dl": "lava-dl", "kaleido": "png", "opencv-contrib-python-headless": "contrib",
}  # fmt: skip
SHM_NEEDED = 2e9  # bytes; the channels of a full-size network
MEMORY_NEEDED = 6e9
Check = tuple[str, str, bool, str]


def doctor(json: Annotated[Path | None, typer.Option(help="Write the findings.")] = None) -> None:
    """Check Python, packages, cores, memory, /dev/shm and run a small network on Lava."""
    from spiketrack.files import write_json

    will_write(json=json)
    checks = [_python(), *_packages(), *_machine(), _lava()]
    table("this machine", ("what", "found", "ok", "remedy"), checks)
    if json is not None:
        keys = ("what", "found", "ok", "remedy")
        found = [dict(zip(keys, check, strict=True)) for check in checks]
        write_json(json, {"schema": "spiketrack.doctor", "version": 1, "checks": found})
    if not all(ok for _, _, ok, _ in checks):
        say("something is missing; see the remedies")
        raise typer.Exit(1)
    say("everything that is needed is here")


def _python() -> Check:
    version = platform.python_version()
    fine = sys.version_info[:2] == (3, 10)
    return ("Python", version, fine, "" if fine else "Lava runs on 3.10 alone: make setup")


def _packages() -> list[Check]:
    found = []
    for name in REQUIRED:
        version = _version(name)
        fix = f"pip install {name}"
        found.append((name, version or "missing", version is not None, "" if version else fix))
    for name, extra in OPTIONAL.items():
        version = _version(name)
        fix = f"optional: pip install 'spiketrack-loihi[{extra}]'"
        found.append((name, version or "absent", True, "" if version else fix))
    return found


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _machine() -> list[Check]:
    memory = psutil.virtual_memory()
    enough = memory.available > MEMORY_NEEDED
    checks = [
        ("cores", str(psutil.cpu_count()), True, ""),
        (
            "memory",
            f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB free",
            enough,
            "" if enough else "full-size networks need about 6 GB; use a nano one",
        ),
    ]
    if Path("/dev/shm").is_dir():
        free = shutil.disk_usage("/dev/shm").free
        fine = free > SHM_NEEDED
        fix = "" if fine else "Lava's channels need 2 GB: mount -o remount,size=4G /dev/shm"
        checks.append(("/dev/shm", f"{free / 1e9:.1f} GB free", fine, fix))
    else:
        checks.append(("/dev/shm", "missing", False, "Lava's channels live there: use Linux"))
    return checks


def _lava() -> Check:
    """A two-layer network on the real runtime, against the integer evaluator."""
    begin = time.perf_counter()
    outcome, detail = _tried(_smoke)
    seconds = time.perf_counter() - begin
    found = f"{'exact' if outcome else detail} in {seconds:.1f} s"
    return ("Lava run", found, outcome, "" if outcome else "pip install 'lava-nc>=0.10,<0.11'")


def _tried(run: Callable[[], Any]) -> tuple[bool, str]:
    try:
        return bool(run()), "differs"
    except Exception as error:  # whatever is broken is what this command reports
        return False, f"{type(error).__name__}: {error}"


def _smoke() -> bool:
    from spiketrack.deploy.lava.smoke import smoke_run

    return smoke_run()
