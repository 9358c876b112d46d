"""Numbers as people read them: three digits and a unit."""

from __future__ import annotations

_UNITS = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"), (0.0, ""))
_JOULES = ((1e12, " J"), (1e9, " mJ"), (1e6, " µJ"), (1e3, " nJ"), (0.0, " pJ"))
_SECONDS = ((1.0, " s"), (1e-3, " ms"), (1e-6, " µs"), (0.0, " ns"))


def amount(value: float | None) -> str:
    """12.3 M: three digits and a unit; empty for None."""
    return "" if value is None else _short(value, _UNITS, 1.0)


def joules(picojoules: float | None) -> str:
    """1.23 mJ, 1,034 J: three digits and a unit; empty for None and for nothing."""
    return _short(picojoules, _JOULES, 1.0) if picojoules else ""


def seconds(value: float) -> str:
    """1.23 ms: three digits and a unit."""
    return _short(value, _SECONDS, 1e-9)


def counted(number: int, noun: str) -> str:
    """``1 chip``, ``1,152 chips``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(share: float | None) -> str:
    """12.3 %; empty for None."""
    return "" if share is None else f"{share:.1%}"


def _short(value: float, units: tuple[tuple[float, str], ...], smallest: float) -> str:
    """In the largest unit in which it is at least 1; thousands of the largest as such."""
    size, unit = next(pair for pair in units if abs(value) >= pair[0])
    number = value / (size or smallest)
    return f"{number:,.0f}{unit}" if abs(number) >= 999.5 else f"{number:.3g}{unit}"
