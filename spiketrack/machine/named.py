"""Which machine this is, and when, in words."""

from __future__ import annotations

import platform
from datetime import datetime, timezone
from pathlib import Path

from spiketrack.machine.limits import cores


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def machine() -> dict[str, str]:
    """Processor, cores that may be used, system."""
    return {
        "processor": processor(),
        "cores": f"{cores()[0]:g}",
        "system": f"{platform.system()} {platform.machine()}",
    }


def processor() -> str:
    """The model, and the instructions that decide the speed of integer arithmetic."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    known = [name for name in ("avx2", "avx512f", "avx512_vnni", "amx_int8") if name in flags]
    return f"{names[0] if names else platform.machine()} ({', '.join(known)})"
