"""What the measurements were taken on."""

from __future__ import annotations

import os
import platform

import psutil

from spiketrack.machine.named import processor
from spiketrack.version import versions_of


def describe() -> dict[str, str]:
    """Processor, cores, memory, load and the versions that decide speed."""
    load = os.getloadavg()[0]
    packages = ("torch", "lava-nc", "numpy", "numba")
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 1e9:.1f} GB",
        "load before": f"{load:.2f}",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        **versions_of(packages),
    }
