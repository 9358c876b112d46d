"""Fixtures that every test file may use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _seeds() -> None:
    """Every test starts from the same random state, whatever ran before."""
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Torch on one thread: the machine is shared, and a later fork must not hang."""
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with golden results and sequences; the test is skipped where it is absent."""
    folder = Path(os.environ.get("SPIKETRACK_SHARED", ROOT.parent / "shared"))
    if not (folder / "golden").is_dir():
        pytest.skip(reason=f"no shared data at {folder}; set SPIKETRACK_SHARED")
    return folder


@pytest.fixture(scope="session")
def synthetic(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``synthetic("spiketrack_s256_t1")`` → a generated checkpoint, once a session."""
    folder = tmp_path_factory.mktemp("synthetic")

    def make(variant: str, extras: bool = False) -> Path:
        path = folder / f"{variant}{'_extras' if extras else ''}.pth.tar"
        if not path.exists():
            script = str(shared_data / "golden" / "synthetic_checkpoint.py")
            options = ["--training-extras"] if extras else []
            subprocess.run([sys.executable, script, variant, str(path), *options], check=True)
        return path

    return make
