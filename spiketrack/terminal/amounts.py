"""Numbers as people read them: three digits and a unit."""

from __future__ import annotations

_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_JOULES = ((1e12, "J"), (1e9, "mJ"), (1e6, "µJ"), (1e3, "nJ"), (0.0, "pJ"))
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (0.0, "ns"))


def amount(value: float | None) -> str:
    """12.3 M: three digits and a unit; empty for None."""
    if value is None:
        return ""
    for size, unit in _UNITS:
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"


def joules(picojoules: float | None) -> str:
    """1.23 mJ: three digits and a unit; empty for None and for nothing."""
    if not picojoules:
        return ""
    size, unit = next(pair for pair in _JOULES if picojoules >= pair[0])
    return f"{picojoules / (size or 1):.3g} {unit}"


def seconds(value: float) -> str:
    """1.23 ms: three digits and a unit."""
    size, unit = next(pair for pair in _SECONDS if value >= pair[0])
    return f"{value / (size or 1e-9):.3g} {unit}"


def percent(share: float | None) -> str:
    """12.3 %; empty for None."""
    return "" if share is None else f"{share:.1%}"
