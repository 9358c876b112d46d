"""``python -m spiketrack.benchmark.worker TASK FOLDER OPTIONS``: one task, its result as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from spiketrack.benchmark.results import Document
from spiketrack.errors import SpikeTrackError

SPINNING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def run(task: str, folder: Path, options: Document, spin: bool = False) -> Document:
    """Run a task in a process of its own; ``spin`` leaves torch's threads their own habits."""
    environment = {k: v for k, v in os.environ.items() if not (spin and k in SPINNING)}
    command = [sys.executable, "-m", __name__, task, str(folder), json.dumps(options)]
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise SpikeTrackError(f"bench: the measurement {task} of {options} failed: {last}")
    measured: Document = json.loads(done.stdout.splitlines()[-1])
    return measured


def main() -> None:
    """The program of the worker process."""
    from spiketrack.benchmark.tasks import TASKS

    task, folder, options = sys.argv[1:]
    print(json.dumps(TASKS[task](Path(folder), json.loads(options))))


if __name__ == "__main__":
    main()
