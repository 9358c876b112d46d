"""What the measurements were taken on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil

from spiketrack.version import versions_of


def describe() -> dict[str, str]:
    """Processor, cores, memory, load and the versions that decide speed."""
    load = os.getloadavg()[0]
    packages = ("torch", "lava-nc", "numpy", "numba")
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 1e9:.1f} GB",
        "load before": f"{load:.2f}",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        **versions_of(packages),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    known = [name for name in ("avx2", "avx512f", "avx512_vnni", "amx_int8") if name in flags]
    return f"{names[0] if names else platform.machine()} ({', '.join(known)})"
