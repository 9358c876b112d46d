"""Python programs in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def python(
    code: str,
    *arguments: object,
    ends_with: int | None = 0,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; ``ends_with`` None: it may fail."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        cwd=folder,
        env=os.environ | dict(environment or {}),
        check=False,
    )
    assert ends_with in (None, done.returncode), done.stdout + done.stderr[-4000:]
    return done
