"""Opcodes, listings and their interpreter, for many neurons at once.

Intel's brief on Loihi 2 names the opcodes of a neuron's program, not their encoding, operands or
registers, and no assembler is public: what each does here is our reading of its name. State and
registers are signed words of 24 bits, as membranes are; what leaves them is an error. ``MUL_SHR``
multiplies in a wider word before it shifts, and the interpreter records how wide. Programs run
forwards only, once a neuron and time step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import GraphError
from spiketrack.limits import POTENTIAL_BITS

Words = NDArray[np.int64]
LOW, HIGH = -(2 ** (POTENTIAL_BITS - 1)), 2 ** (POTENTIAL_BITS - 1) - 1

OPCODES: Mapping[str, tuple[int, str]] = {  # operands, what it does here
    "RMW": (2, "variable ← variable + operand"),
    "RDC": (2, "register ← variable or port, which is cleared"),
    "MOV": (2, "to ← operand"),
    "SEL": (3, "to ← second operand where the flag is set, else the third"),
    "AND": (3, "to ← a and b, bit by bit"),
    "OR": (3, "to ← a or b, bit by bit"),
    "SHL": (3, "to ← a << b"),
    "ADD": (3, "to ← a + b"),
    "NEG": (2, "to ← -a"),
    "MIN": (3, "to ← the smaller of a and b"),
    "MUL_SHR": (4, "to ← (a · b) >> c, towards minus infinity"),
    "LT": (2, "flag ← a < b"),
    "GE": (2, "flag ← a >= b"),
    "EQ": (2, "flag ← a = b"),
    "SKP_C": (0, "skip the next instruction where the flag is set"),
    "JMP_C": (1, "go on at a later label where the flag is set"),
    "SPIKE": (1, "send the operand as a graded spike"),
    "PROBE": (1, "report the operand to the host"),
}


BINARY: Mapping[str, Callable[[Words, Words], Words]] = {
    "AND": np.bitwise_and,
    "OR": np.bitwise_or,
    "SHL": np.left_shift,
    "ADD": np.add,
    "MIN": np.minimum,
}


@dataclass(frozen=True)
class Instruction:
    """One line: an opcode and its operands, names or numbers; ``#name`` is a parameter."""

    op: str
    operands: tuple[str, ...]
    note: str = ""

    def __str__(self) -> str:
        text = f"{self.op:<8}{', '.join(self.operands)}"
        return f"{text:<34}; {self.note}" if self.note else text


@dataclass(frozen=True)
class Listing:
    """The program of one kind of neuron.

    ``variables`` stay from one time step to the next; ``labels``: name → index of an instruction.
    """

    name: str
    equation: str
    variables: tuple[str, ...]
    instructions: tuple[Instruction, ...]
    labels: Mapping[str, int]

    @classmethod
    def parse(cls, name: str, equation: str, variables: tuple[str, ...], text: str) -> Listing:
        """Lines ``label: OP a, b ; note``; ``GraphError`` names a line that is none."""
        instructions: list[Instruction] = []
        labels: dict[str, int] = {}
        for line in filter(str.strip, text.splitlines()):
            parts = re.fullmatch(r"\s*(?:(\w+):)?\s*(\w*)\s*([^;]*?)\s*(?:;\s*(.*))?", line)
            if not parts:
                raise GraphError(f"{name}: no instruction: {line.strip()}")
            label, op, operands, note = parts.groups()
            if label:
                labels[label] = len(instructions)
            if not op:
                continue
            given = tuple(part.strip() for part in operands.split(",")) if operands else ()
            if op not in OPCODES or len(given) != OPCODES[op][0]:
                known = ", ".join(OPCODES)
                raise GraphError(f"{name}: {line.strip()}: opcodes and operands are {known}")
            instructions.append(Instruction(op, given, note or ""))
        return cls(name, equation, variables, tuple(instructions), labels)

    def __str__(self) -> str:
        places = {index: label for label, index in self.labels.items()}
        lines = [
            f"{places.get(index, '') + ':' if index in places else '':<7} {line}"
            for index, line in enumerate(self.instructions)
        ]
        if last := places.get(len(self.instructions)):
            lines.append(f"{last}:")
        return "\n".join([f"{self.name}: {self.equation}", *lines])


@dataclass
class Neurons:
    """State of n neurons that run one listing: variables and ports, int64 (n,)."""

    state: MutableMapping[str, Words]
    wide: int = 0  # bits of the widest product so far
    executed: Words = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True, eq=False)
class Sent:
    """What a time step sent: ``spiked`` bool (n,), ``payload`` int64 (n,)."""

    spiked: NDArray[np.bool_]
    payload: Words


class Run:
    """One time step of a listing on neurons with parameters, numbers or tables of them."""

    def __init__(
        self, listing: Listing, neurons: Neurons, parameters: Mapping[str, int | Words]
    ) -> None:
        self.listing, self.neurons, self.parameters = listing, neurons, parameters
        self.count = len(next(iter(neurons.state.values())))
        self.flag = np.zeros(self.count, bool)
        self.resume = np.zeros(self.count, np.int64)
        self.registers: dict[str, Words] = {}
        self.spiked = np.zeros(self.count, bool)
        self.payload = np.zeros(self.count, np.int64)

    def step(self) -> Sent:
        """Run every line for the neurons that reach it."""
        self.neurons.executed = np.zeros(self.count, np.int64)
        for index, line in enumerate(self.listing.instructions):
            active = self.resume <= index
            if active.any():
                self.neurons.executed += active
                self.execute(index, line, active)
        return Sent(self.spiked, self.payload)

    def execute(self, index: int, line: Instruction, active: NDArray[np.bool_]) -> None:
        """One line for the active neurons."""
        op, operands = line.op, line.operands
        if op in ("LT", "GE", "EQ"):
            a, b = (self.value(name) for name in operands)
            compared = {"LT": a < b, "GE": a >= b, "EQ": a == b}[op]
            self.flag = np.where(active, compared, self.flag)
        elif op == "SKP_C":
            self.resume = np.where(active & self.flag, index + 2, self.resume)
        elif op == "JMP_C":
            self.resume = np.where(active & self.flag, self.target(index, line), self.resume)
        elif op == "SPIKE":
            self.spiked |= active
            self.payload = np.where(active, self.value(operands[0]), self.payload)
        elif op != "PROBE":
            self.assign(line, active, self.result(op, operands))

    def result(self, op: str, operands: tuple[str, ...]) -> Words:
        """What an arithmetic line computes."""
        to, *others = operands
        values = [self.value(name) for name in others]
        if op == "RMW":
            return self.value(to) + values[0]
        if op in ("RDC", "MOV"):
            return values[0]
        if op == "SEL":
            return np.where(self.flag, values[0], values[1])
        if op == "NEG":
            return -values[0]
        if op == "MUL_SHR":
            product = values[0] * values[1]
            self.neurons.wide = max(self.neurons.wide, _bits(product))
            return product >> values[2]
        return BINARY[op](values[0], values[1])

    def assign(self, line: Instruction, active: NDArray[np.bool_], value: Words) -> None:
        """Write active neurons' words; clear what RDC read."""
        to = line.operands[0]
        value = np.broadcast_to(value, self.count)
        kept = value[active]
        if kept.size and not LOW <= kept.min() <= kept.max() <= HIGH:
            reach = int(kept[np.abs(kept).argmax()])
            raise GraphError(
                f"{self.listing.name}: {line.op} {', '.join(line.operands)}: {reach:,} leaves "
                f"{POTENTIAL_BITS} bits"
            )
        if line.op == "RDC":
            source = line.operands[1]
            self.neurons.state[source] = np.where(active, 0, self.neurons.state[source])
        home = self.neurons.state if to in self.neurons.state else self.registers
        before = home.get(to, np.zeros(self.count, np.int64))
        home[to] = np.where(active, value, before)

    def value(self, name: str) -> Words:
        """A number, a parameter, an entry of a parameter's table, a variable or a register."""
        if re.fullmatch(r"-?\d+", name):
            return np.asarray(int(name), np.int64)
        if entry := re.fullmatch(r"#(\w+)\[(\w+)\]", name):
            table = np.asarray(self.parameters[entry.group(1)], np.int64)
            return table[np.clip(self.value(entry.group(2)), 0, len(table) - 1)]
        if name.startswith("#"):
            return np.asarray(self.parameters[name[1:]], np.int64)
        for home in (self.neurons.state, self.registers):
            if name in home:
                return home[name]
        raise GraphError(f"{self.listing.name}: {name} is read before it is written")

    def target(self, index: int, line: Instruction) -> int:
        """Where a jump leads; programs run forwards only."""
        place = self.listing.labels.get(line.operands[0], -1)
        if place <= index:
            raise GraphError(f"{self.listing.name}: no label {line.operands[0]} further on")
        return place


def _bits(values: Words) -> int:
    """Width of a signed word that holds all values."""
    widest = max(int(values.max(initial=0)), -int(values.min(initial=0)) - 1, 0)
    return widest.bit_length() + 1
