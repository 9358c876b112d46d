"""Fixtures that every test file may use."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pytest
import torch
from filelock import FileLock
from support.paths import GOLDEN, SHARED
from support.program import Program

if TYPE_CHECKING:
    from support.report_data import Files

Made = TypeVar("Made")
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _seeds() -> None:
    """Every test starts from the same random state, whatever ran before."""
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are whole, whatever the width of whoever runs the tests or of an earlier test."""
    monkeypatch.setenv("COLUMNS", "1000")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Torch on one thread: the machine is shared, and a later fork must not hang."""
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with golden results and sequences; the test is skipped where it is absent."""
    if not GOLDEN.is_dir():
        pytest.skip(reason=f"no shared data at {SHARED}; set SPIKETRACK_SHARED")
    return SHARED


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what several test files need, the same in every worker of one test run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "built-once"
    folder.mkdir(exist_ok=True)
    return folder


def once(folder: Path, make: Callable[[Path], Made]) -> Made:
    """What ``make(folder)`` returns; the first worker that asks makes it, the others wait."""
    done = folder.with_suffix(".pickle")
    with FileLock(folder.with_suffix(".lock")):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of one that failed
            folder.mkdir()
            done.write_bytes(pickle.dumps(make(folder)))
    made: Made = pickle.loads(done.read_bytes())
    return made


@pytest.fixture(scope="session")
def synthetic(shared_data: Path, built_once: Path) -> Callable[..., Path]:
    """``synthetic("spiketrack_s256_t1")`` → a generated checkpoint, once a session."""

    def make(variant: str, extras: bool = False) -> Path:
        path = built_once / f"{variant}{'_extras' if extras else ''}.pth.tar"
        if not path.exists():
            script = str(shared_data / "golden" / "synthetic_checkpoint.py")
            options = ["--training-extras"] if extras else []
            part = path.with_name(f".{os.getpid()}.{path.name}")
            subprocess.run([sys.executable, script, variant, str(part), *options], check=True)
            part.replace(path)  # another worker may have made the same one
        return path

    return make


@pytest.fixture(scope="session")
def full_size(synthetic: Callable[..., Path], built_once: Path) -> Callable[[str], Path]:
    """``full_size("spiketrack_s256_t1")`` → its export, once a test run; to be read alone."""

    def make(variant: str) -> Path:
        from spiketrack.pipeline import export_checkpoint

        def export(folder: Path) -> Path:
            export_checkpoint(synthetic(variant), folder / "export")
            return folder / "export"

        return once(built_once / variant, export)

    return make


BUILT = {"report_files", "report_page"}  # takes half a minute; a test that reads it is slow
LONG = bool(os.environ.get("SPIKETRACK_LONG"))
SLOW = ("lava", "slow")
ONLY = (3, 10)  # the Python that lava-dl and the other counters exist for


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files with the longest tests first, so that no worker waits for another's last file.

    What needs a package that cannot exist on this Python, or minutes, is not collected, and said
    at the end.
    """
    if sys.version_info[:2] != ONLY:
        items[:] = [item for item in items if not item.get_closest_marker("limited")]
    if not LONG:
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    for item in items:
        if not BUILT.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    slow = Counter(item.path for item in items for name in SLOW if item.get_closest_marker(name))
    items.sort(key=lambda item: -slow[item.path])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Which tests were not collected."""
    if not LONG:
        terminalreporter.write_line(
            "not here: tests marked long, minutes each (make matrix, or SPIKETRACK_LONG=1)"
        )
    if sys.version_info[:2] != ONLY:
        terminalreporter.write_line(
            "not here: tests marked limited; lava-dl, NeuroBench, syops and SpikingJelly's old "
            "release exist for Python 3.10 alone (make platform PYTHON=3.10 runs them)"
        )


@pytest.fixture
def program(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Program]:
    for name, value in (
        ("COLUMNS", "200"),
        ("OMP_WAIT_POLICY", "PASSIVE"),
        ("GOMP_SPINCOUNT", "0"),
    ):
        monkeypatch.setenv(name, value)
    before = signal.getsignal(signal.SIGTERM)
    yield Program(capfd)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium, started once a file: while it runs, no other event loop can in this process."""
    from support.browser import started

    yield from started(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that must meet no error and ask for nothing but its own file."""
    from support.browser import watched

    yield from watched(browser)


@pytest.fixture(scope="session")
def report_page(report_files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on ``report_files``, with everything that it can show; to be read alone."""
    from support.report_data import write_page

    return write_page(tmp_path_factory.mktemp("page"), report_files)


@pytest.fixture(scope="session")
def report_files(built_once: Path) -> Files:
    """What a report is made from, by the real commands, once a test run; to be read alone."""
    from support.report_data import write_all

    torch.set_num_threads(1)  # made before one_thread, where the first test of a worker asks
    return once(built_once / "report", write_all)
