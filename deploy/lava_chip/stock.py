"""Lava's stock processes in the place of the chip's elements: where they compute rightly.

Each trial executes one stock process on Lava's runtime, in fixed point, on small inputs that probe
its edges, and compares what it sends in every time step with what the element has to send.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from spiketrack.deploy.lava.lifetime import kill, start, wait_for_steps
from spiketrack.deploy.lava.loading import load_lava
from spiketrack.deploy.lava.names import Loihi2SimCfg, RunSteps
from spiketrack.integer.neurons import thresholds
from spiketrack.limits import MAX_COUNT, POTENTIAL_MAX, WEIGHT_MAX

Numbers = NDArray[np.int64]
STEPS, NEURONS = 8, 12
PATIENCE = 60.0
UNIT = 4**6  # of a membrane squared, so of the thresholds


@dataclass(frozen=True, eq=False)
class Trial:
    """``inputs``: (…, steps) for each of ``ports``; ``expected``: what ``out`` has to send.

    ``build``: makes the stock process; ``place``: the element that it would stand for; ``probes``:
    what is special in the inputs; ``why``: no layer is made of it, even where it is right;
    ``last``: compare the last time step alone.
    """

    stock: str
    place: str
    probes: str
    why: str
    build: Callable[[], Any]
    inputs: tuple[Numbers, ...]
    expected: Numbers
    ports: tuple[str, ...] = ("s_in",)
    out: str = "a_out"
    last: bool = False


@dataclass(frozen=True)
class Verdict:
    """Numbers ``compared`` and ``differing``; ``first``: neuron, step, sent, needed, or why not."""

    stock: str
    place: str
    probes: str
    why: str
    compared: int
    differing: int | None
    first: str

    @property
    def right(self) -> bool:
        """Whether it ran and nothing differs."""
        return self.differing == 0


def judge(trial: Trial) -> Verdict:
    """Execute a trial; a stock process that fails is a verdict, no error."""
    about = (trial.stock, trial.place, trial.probes, trial.why)
    try:
        computed, expected = _run(trial), trial.expected
    except Exception as error:  # whatever Lava meets in its own models
        lines = str(error).splitlines() or [""]
        return Verdict(*about, 0, None, f"fails: {type(error).__name__}: {lines[0][:80]}")
    if trial.last:
        computed, expected = computed[..., -1:], expected[..., -1:]
    wrong = np.argwhere(computed != expected)
    first = ""
    if len(wrong):
        at = tuple(wrong[0])
        first = f"{computed[at]:,.0f} instead of {expected[at]:,.0f}"
    return Verdict(*about, expected.size, len(wrong), first)


def _run(trial: Trial) -> Numbers:
    io = {end: load_lava(f"lava.proc.io.{end}").RingBuffer for end in ("source", "sink")}
    stock = trial.build()
    for port, data in zip(trial.ports, trial.inputs, strict=True):
        io["source"](data=data.astype(np.int32)).s_out.connect(getattr(stock, port))
    out = getattr(stock, trial.out)
    sink = io["sink"](shape=out.shape, buffer=STEPS)
    out.connect(sink.a_in)
    runtime = start(stock, Loihi2SimCfg(select_tag="fixed_pt"), 2, {}, PATIENCE)
    try:
        stock.run(condition=RunSteps(STEPS, blocking=False))
        wait_for_steps(runtime, PATIENCE)
        stock.wait()
        return np.asarray(sink.data.get(), np.int64)
    finally:
        kill(runtime)


def trials(seed: int = 0) -> Iterator[Trial]:
    """All of them."""
    rng = np.random.default_rng(seed)
    yield from _synapses(rng)
    yield from _convolutions(rng)
    yield from _neurons(rng)
    yield from _products(rng)


def _lava(module: str, name: str, **values: Any) -> Callable[[], Any]:
    return lambda: getattr(load_lava(f"lava.proc.{module}.process"), name)(**values)


def _later(values: Numbers, steps: int = 1) -> Numbers:
    """Synapses add up in one time step and send in the next."""
    return np.concatenate([np.zeros_like(values[..., :steps]), values[..., :-steps]], -1)


# synapses


def _synapses(rng: np.random.Generator) -> Iterator[Trial]:
    counts = rng.integers(0, MAX_COUNT + 1, (NEURONS, STEPS))
    mixed = rng.integers(-WEIGHT_MAX, WEIGHT_MAX + 1, (NEURONS, NEURONS))
    mixed[0] |= 1  # odd, so that a lost bit shows
    graded = {"num_message_bits": 8}
    dense = "synapses of a 1×1 convolution"
    for name, module in (("Dense", "dense"), ("Sparse", "sparse")):
        for probes, why, weights in (
            ("int8 weights of both signs", _MIXED, mixed),
            ("int8 weights, none negative", _PART, np.abs(mixed)),
        ):
            built = _lava(module, name, weights=weights, **graded)
            yield Trial(name, dense, probes, why, built, (counts,), _later(weights @ counts))
    membranes = _membranes(rng)
    one = np.eye(NEURONS, dtype=np.int64)
    built = _lava("dense", "Dense", weights=one, num_message_bits=24)
    place = "synapses of weight 1, of a relay"
    probes = "membranes of 24 bits"
    yield Trial("Dense", place, probes, _PART, built, (membranes,), _later(membranes))
    built = _lava("dense", "DelayDense", weights=np.abs(mixed), delays=3, **graded)
    delayed = _later(np.abs(mixed) @ counts, 4)
    place = "synapses that wait"
    yield Trial("DelayDense", place, "3 time steps", _PART, built, (counts,), delayed)


def _membranes(rng: np.random.Generator) -> Numbers:
    """Of 24 bits, the largest among them."""
    values = rng.integers(-POTENTIAL_MAX, POTENTIAL_MAX + 1, (NEURONS, STEPS))
    values[0, 0], values[1, 0] = POTENTIAL_MAX, -POTENTIAL_MAX
    return values


def _convolutions(rng: np.random.Generator) -> Iterator[Trial]:
    for channels, groups in ((4, 1), (130, 130)):
        weight = rng.integers(-WEIGHT_MAX, WEIGHT_MAX + 1, (channels, channels // groups, 3, 3))
        counts = rng.integers(0, MAX_COUNT + 1, (channels, 4, 5))
        sums = functional.conv2d(
            torch.from_numpy(counts).double()[None], torch.from_numpy(weight).double(),
            padding=1, groups=groups,
        )[0].long().numpy()  # fmt: skip
        kernel = weight[:, :, ::-1, ::-1].transpose(0, 3, 2, 1)  # W, H and true convolution
        built = _lava(
            "conv", "Conv", weight=kernel.astype(np.int32), input_shape=counts.T.shape,
            padding=1, groups=groups, num_message_bits=8,
        )  # fmt: skip
        yield Trial(
            "Conv",
            "synapses of a 3×3 convolution" + (", depthwise" if groups > 1 else ""),
            f"int8 weights of both signs, {channels} channels",
            _GROUPS if groups > 1 else _PART,
            built,
            (np.repeat(counts.T[..., None], STEPS, -1),),
            np.repeat(sums.T[..., None], STEPS, -1),
            last=True,
        )


# neurons


def _neurons(rng: np.random.Generator) -> Iterator[Trial]:
    levels = np.array(thresholds(UNIT), np.int64)
    lif = {"shape": (NEURONS,), "du": 4095, "dv": 4095}
    place = "a counting population"
    few = rng.integers(-levels[0], levels[1], (NEURONS, STEPS))
    many = rng.integers(-levels[0], 2 * levels[-1], (NEURONS, STEPS))
    few[0], many[0] = levels[0], levels[-1]
    for probes, why, u in (
        ("counts 0 and 1, ties", "populations count to 4", few),
        ("counts 0 to 4", "it spikes once and resets to 0", many),
    ):
        built = _lava("lif", "LIF", vth=int(levels[0]) - 1, **lif)  # it spikes above, not at
        counted = (u[..., None] >= levels).sum(-1)
        yield Trial("LIF", place, probes, why, built, (u,), counted, ("a_in",), "s_out")
    membranes = _membranes(rng)
    built = _lava("graded", "GradedVec", shape=(NEURONS,), vth=0)
    relay = ("a_in",), "s_out"
    yield Trial(
        "GradedVec", "a relay", "all arrives in one time step", _RELAY, built, (membranes,),
        membranes, *relay,
    )  # fmt: skip
    small = membranes >> 3
    built = _lava("graded", "GradedVec", shape=(NEURONS,), vth=0)
    sums = _every_fourth(small)
    why = "it fires in every time step"
    yield Trial("GradedVec", "a relay", _APART, why, built, (small,), sums, *relay)
    built = _lava("sdn", "Sigma", shape=(NEURONS,))
    yield Trial("Sigma", "a relay", _APART, "it never resets", built, (small,), sums, *relay)


_PART = "synapses alone: no layer is a stock neuron behind them"
_MIXED = "of weights of both signs it keeps 7 bits"
_GROUPS = "it holds the number of groups in 8 bits"
_RELAY = "a relay waits, adds biases, or sends later"
_APART = "four messages in four time steps, then the next frame"


def _every_fourth(values: Numbers) -> Numbers:
    """Sums of four time steps, sent in the fourth; nothing in the others."""
    sums = np.zeros_like(values)
    sums[..., 3::4] = values.reshape(len(values), -1, 4).sum(-1)
    return sums


def _products(rng: np.random.Generator) -> Iterator[Trial]:
    a, b = (rng.integers(0, MAX_COUNT + 1, (NEURONS, STEPS)) for _ in range(2))
    ports = ("a_in1", "a_in2"), "s_out"
    why = "it adds no products up"
    for place, probes, expected in (
        ("one product of two ports", "counts 0 to 4", a * b),
        ("an entry of kᵀ v", "products added up over four positions", _every_fourth(a * b)),
    ):
        built = _lava("prodneuron", "ProdNeuron", shape=(NEURONS,), vth=0)
        yield Trial("ProdNeuron", place, probes, why, built, (a, b), expected, *ports)
