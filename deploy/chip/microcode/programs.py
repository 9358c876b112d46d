"""The listings, one for each kind of the chip's neurons.

In every time step a neuron takes what arrived and counts the step. Where its phase counter has
reached the step in which it fires, it goes on; else it ends after five instructions. The counter is
set so that it reaches 0 there, and back by the interval of two firings afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spiketrack.deploy.chip.microcode.machine import Listing, Neurons, Run, Sent, Words
from spiketrack.errors import UnsupportedError
from spiketrack.integer.graph import Neuron
from spiketrack.limits import DECAY_BITS, MAX_COUNT

PORT, SECOND = "port0", "port1"

_ARRIVES = """
        RDC     x, port0              ; what arrived in this time step
        RMW     u, x
        RMW     phase, 1
        LT      phase, 0
        JMP_C   end                   ; not its turn
"""
_COUNT = """
        ADD     u, u, #bias
        MOV     k, 0
        GE      u, #theta1
        SEL     k, 1, k
        GE      u, #theta2
        SEL     k, 2, k
        GE      u, #theta3
        SEL     k, 3, k
        GE      u, #theta4
        SEL     k, 4, k
"""
_SEND = """
        MOV     phase, #back
        EQ      k, 0
        SKP_C                         ; a silent neuron sends nothing
        SPIKE   k
end:
"""

COUNT_ONCE = Listing.parse(
    "count",
    "k = number of thresholds that u reaches",
    ("u", "phase"),
    _ARRIVES
    + _COUNT
    + "        MOV     u, 0                  ; the next frame starts afresh\n"
    + _SEND,
)
COUNT_LEAKY = Listing.parse(
    "count, with leak",
    "k as count; u ← ((u - k · reset) · decay) >> 12; decay 0 after the last step",
    ("u", "phase"),
    _ARRIVES
    + _COUNT
    + f"""
        MUL_SHR r, k, #reset, 0
        NEG     r, r
        ADD     u, u, r               ; soft reset
        MUL_SHR u, u, #decay, {DECAY_BITS}
"""
    + _SEND,
)
RELAY = Listing.parse(
    "relay",
    "sends u",
    ("u", "phase"),
    _ARRIVES
    + """
        ADD     k, u, #bias
        MOV     u, 0
"""
    + _SEND,
)
ROUND = Listing.parse(
    "relay, rounding",
    "sends (u + half) >> shift",
    ("u", "phase"),
    _ARRIVES
    + """
        ADD     k, u, #half
        MUL_SHR k, k, 1, #shift
        MOV     u, 0
"""
    + _SEND,
)
PRODUCT = Listing.parse(
    "product",
    "u ← u + (a · b) << shift, of what arrived at both ports; sends u",
    ("u", "phase"),
    """
        RDC     a, port0
        RDC     b, port1
        MUL_SHR x, a, b, 0
        SHL     x, x, #shift
        RMW     u, x
        RMW     phase, 1
        LT      phase, 0
        JMP_C   end                   ; more positions come
        MOV     k, u
        MOV     u, 0
"""
    + _SEND,
)
WEIGH = Listing.parse(
    "weights of the gate",
    "e[t] = table[min((max l - l[t] + half) >> shift, last)], sent one a time step",
    ("l0", "l1", "l2", "turn"),
    """
        RMW     turn, 1
        NEG     m, l0
        NEG     n, l1
        MIN     m, m, n
        NEG     n, l2
        MIN     m, m, n
        NEG     m, m                  ; the largest logit
        EQ      turn, 1
        SEL     l, l0, l2
        EQ      turn, 2
        SEL     l, l1, l
        NEG     l, l
        ADD     i, m, l
        ADD     i, i, #half
        MUL_SHR i, i, 1, #shift
        MIN     i, i, #last
        MOV     k, #table[i]          ; an indexed read: no published opcode says how
        SPIKE   k
""",
)
VOTE = Listing.parse(
    "vote of the gate",
    "u ← u + e[t] · (c[t] - 2); 1 where u > 0",
    ("u", "phase"),
    f"""
        RDC     e, port1
        RDC     c, port0
        ADD     c, c, -{MAX_COUNT // 2}
        MUL_SHR x, e, c, 0
        RMW     u, x
        RMW     phase, 1
        LT      phase, 0
        JMP_C   end
        MOV     k, 0
        GE      u, 1
        SEL     k, 1, k
        MOV     u, 0
"""
    + _SEND,
)
LISTINGS = (COUNT_ONCE, COUNT_LEAKY, RELAY, ROUND, PRODUCT, WEIGH, VOTE)


@dataclass(frozen=True)
class Instructions:
    """Instructions of a neuron in a time step: idle, firing in silence, firing and sending."""

    idle: int
    silent: int
    sending: int


def instructions(listing: Listing) -> Instructions:
    """Counted from the listing; ``WEIGH`` sends in each of its steps."""
    total = len(listing.instructions)
    waits = next((i for i, line in enumerate(listing.instructions) if line.op == "JMP_C"), None)
    skips = any(line.op == "SKP_C" for line in listing.instructions)
    return Instructions(total if waits is None else waits + 1, total - skips, total)


def population(node: Neuron) -> Listing:
    """The listing of a counting population, by its number of network steps."""
    return COUNT_ONCE if len(node.decay) == 0 else COUNT_LEAKY


def fire(
    listing: Listing,
    arrived: Mapping[str, Words],
    parameters: Mapping[str, int | Words],
    state: Mapping[str, Words] | None = None,
) -> tuple[Sent, Neurons]:
    """One time step in which neurons fire: what they send and what they keep.

    ``arrived``: port → sums, int64 (n,); ``state``: variables before, 0 where not given.
    """
    given = {**(state or {}), **arrived}
    count = len(next(iter(given.values())))
    zero = {name: np.zeros(count, np.int64) for name in (*listing.variables, PORT, SECOND)}
    neurons = Neurons({**zero, **given})
    sent = Run(listing, neurons, {"bias": 0, "back": 0} | dict(parameters)).step()
    return sent, neurons


def thresholds(node: Neuron) -> dict[str, int | Words]:
    """Parameters ``theta1`` … of a population."""
    if len(node.thresholds) != MAX_COUNT:
        raise UnsupportedError(f"{node.name}: {len(node.thresholds)} thresholds")
    return {f"theta{j}": level for j, level in enumerate(node.thresholds, start=1)}
