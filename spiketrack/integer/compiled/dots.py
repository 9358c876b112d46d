"""Blocks of a convolution in the processor's own instructions, as functions for compiled code.

Counts without sign meet int8 weights. A dense block sums in int32: AVX-512's ``vpdpbusd`` adds four
products to each of 16 lanes; AVX2's ``vpmaddubsw`` adds two in int16 and ``vpmaddwd`` two of those.
The former saturates with pixels, so only ``wide()`` processors take them; counts are at most 4. A
depthwise block sums in int16, which 64 products of a count and a weight cannot leave. The sums are
scaled, biased and counted while they are in registers. LLVM has the instructions as intrinsic
functions, which numba can emit.

All arguments of a block are int64, addresses among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import binding, ir
from numba import config, types
from numba.extending import intrinsic

WIDE, NEEDED = {"avx512f", "avx512bw", "avx512vl", "avx512vnni"}, {"avx2"}

Block = Callable[..., None]


def supported() -> bool:
    """Whether this processor has the instructions and numba compiles for it, not for another."""
    other = config.CPU_NAME or config.CPU_FEATURES
    return not other and features() >= NEEDED


def wide() -> bool:
    """Whether it has AVX-512's."""
    return supported() and features() >= WIDE


def features() -> set[str]:
    """Names of what this processor can."""
    return {name for name, has in binding.get_host_cpu_features().items() if has}


LANES = 16 if wide() else 8  # channels of a vector of sums
ROWS = LANES // 2  # positions of a dense block: with two vectors each, their sums stay in registers
FEW = 4  # positions of a depthwise block
QUAD = 4  # products that one lane adds at once
PAIR = 2 * LANES  # channels of a block of two vectors

_LONG, _WORD, _HALF, _BYTE = (ir.IntType(bits) for bits in (64, 32, 16, 8))
_SUMS, _REALS = ir.VectorType(_WORD, LANES), ir.VectorType(ir.FloatType(), LANES)
_BYTES, _HALVES = ir.VectorType(_BYTE, PAIR), ir.VectorType(_HALF, PAIR)
_FOURS = ir.VectorType(_BYTE, QUAD * LANES)
_DOT = "llvm.x86.avx512.vpdpbusd.512"
_TWO_BYTES, _TWO_HALVES = "llvm.x86.avx2.pmadd.ub.sw", "llvm.x86.avx2.pmadd.wd"


def dense(rows: int, vectors: int, counted: bool) -> Block:
    """``block(x, stride, turn, turns, quads, weights, scale, bias, limits, out, apart)``.

    Row r starts at ``x + r · stride``; of it ``turns`` runs of ``quads`` · 4 counts are read,
    ``turn`` bytes apart. ``weights``: int8 (turns, quads, vectors, LANES, 4); ``scale``, ``bias``
    and ``limits`` (four thresholds): float32. Results go to ``out + r · apart``, in bytes.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def block(
        context: Any, x: Any, stride: Any, turn: Any, turns: Any, quads: Any, weights: Any,
        scale: Any, bias: Any, limits: Any, out: Any, apart: Any,
    ) -> Any:  # fmt: skip
        return types.void(*[types.int64] * 11), _generator(_dense, rows, vectors, counted)

    made: Block = block
    return made


def depthwise(rows: int, counted: bool) -> Block:
    """``block(x, stride, turn, turns, step, steps, weights, scale, bias, limits, out, apart)``.

    PAIR channels at each position: ``turns`` rows of the kernel ``turn`` bytes apart, ``steps``
    taps in a row ``step`` bytes apart; ``weights``: int16 (turns · steps, PAIR). The rest as in
    ``dense``.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def block(
        context: Any, x: Any, stride: Any, turn: Any, turns: Any, step: Any, steps: Any,
        weights: Any, scale: Any, bias: Any, limits: Any, out: Any, apart: Any,
    ) -> Any:  # fmt: skip
        return types.void(*[types.int64] * 12), _generator(_depthwise, rows, counted)

    made: Block = block
    return made


def reals(rows: int, vectors: int) -> Block:
    """``block(x, stride, steps, weights, pitch, gain, out, apart)``, all in float32.

    ``out[r, c] = gain · Σ_i x[r, i] · weights[i, c]`` for LANES channels a vector; ``stride``,
    ``pitch`` and ``apart`` are bytes between rows of x, of weights and of results, ``gain`` is an
    address.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def block(
        context: Any, x: Any, stride: Any, steps: Any, weights: Any, pitch: Any,
        gain: Any, out: Any, apart: Any,
    ) -> Any:  # fmt: skip
        return types.void(*[types.int64] * 8), _generator(_reals, rows, vectors)

    made: Block = block
    return made


def _generator(emit: Callable[..., None], *how: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit(builder, *how, *arguments)
        return context.get_dummy_value()

    return generate


def _dense(
    b: Any, rows: int, vectors: int, counted: bool, x: Any, stride: Any, turn: Any, turns: Any,
    quads: Any, weights: Any, scale: Any, bias: Any, limits: Any, out: Any, apart: Any,
) -> None:  # fmt: skip
    starts = [b.add(x, b.mul(stride, _LONG(r))) for r in range(rows)]
    sums = [ir.Constant(_SUMS, [0] * LANES)] * (vectors * rows)
    with _loop(b, turns, sums) as (outer, sums_outer):
        place, row_of_weights = b.mul(outer.index, turn), b.mul(outer.index, quads)
        with _loop(b, quads, sums_outer) as (inner, old):
            at = b.mul(b.add(row_of_weights, inner.index), _LONG(vectors * LANES * QUAD))
            factors = _vectors(b, b.add(weights, at), vectors, _SUMS)
            offset = b.add(place, b.mul(inner.index, _LONG(QUAD)))
            for r in range(rows):
                four = _everywhere(b, _load(b, b.add(starts[r], offset), _WORD))
                for v in range(vectors):
                    i = vectors * r + v
                    inner.give(i, _dot(b, old[i], four, factors[v]))
        outer.new = inner.new
    numbers = _numbers(b, scale, bias, limits, vectors, counted)
    for r in range(rows):
        place = b.add(out, b.mul(apart, _LONG(r)))
        _finish(b, outer.new[vectors * r : vectors * (r + 1)], numbers, place, counted)


def _dot(b: Any, sums: Any, counts: Any, weights: Any) -> Any:
    """``sums`` and four products of bytes in each lane."""
    if wide():
        return b.call(_function(b, _DOT, _SUMS, _SUMS, 3), [sums, counts, weights])
    bytes_ = [b.bitcast(part, _FOURS) for part in (counts, weights)]
    pairs = b.call(_function(b, _TWO_BYTES, _HALVES, _FOURS, 2), bytes_)
    ones = ir.Constant(_HALVES, [1] * PAIR)
    return b.add(sums, b.call(_function(b, _TWO_HALVES, _SUMS, _HALVES, 2), [pairs, ones]))


def _function(b: Any, name: str, result: Any, argument: Any, count: int) -> Any:
    kind = ir.FunctionType(result, [argument] * count)
    return b.module.globals.get(name) or ir.Function(b.module, kind, name)


def _reals(
    b: Any, rows: int, vectors: int, x: Any, stride: Any, steps: Any, weights: Any, pitch: Any,
    gain: Any, out: Any, apart: Any,
) -> None:  # fmt: skip
    starts = [b.add(x, b.mul(stride, _LONG(r))) for r in range(rows)]
    sums = [ir.Constant(_REALS, [0.0] * LANES)] * (vectors * rows)
    with _loop(b, steps, sums) as (loop, old):
        at = b.add(weights, b.mul(loop.index, pitch))
        factors = _vectors(b, at, vectors, _REALS)
        for r in range(rows):
            place = b.add(starts[r], b.mul(loop.index, _LONG(4)))
            one = _everywhere(b, _load(b, place, ir.FloatType()))
            for v in range(vectors):
                i = vectors * r + v
                loop.give(i, b.fadd(old[i], b.fmul(one, factors[v])))
    scale = _everywhere(b, _load(b, gain, ir.FloatType()))
    for r in range(rows):
        for v in range(vectors):
            place = b.add(b.add(out, b.mul(apart, _LONG(r))), _LONG(4 * LANES * v))
            _store(b, b.fmul(loop.new[vectors * r + v], scale), place)


def _depthwise(
    b: Any, rows: int, counted: bool, x: Any, stride: Any, turn: Any, turns: Any, step: Any,
    steps: Any, weights: Any, scale: Any, bias: Any, limits: Any, out: Any, apart: Any,
) -> None:  # fmt: skip
    starts = [b.add(x, b.mul(stride, _LONG(r))) for r in range(rows)]
    sums = [ir.Constant(_HALVES, [0] * PAIR)] * rows
    with _loop(b, turns, sums) as (outer, sums_outer):
        place, row_of_weights = b.mul(outer.index, turn), b.mul(outer.index, steps)
        with _loop(b, steps, sums_outer) as (inner, old):
            at = b.mul(b.add(row_of_weights, inner.index), _LONG(2 * PAIR))
            factor = _load(b, b.add(weights, at), _HALVES)
            offset = b.add(place, b.mul(inner.index, step))
            for r in range(rows):
                counts = b.zext(_load(b, b.add(starts[r], offset), _BYTES), _HALVES)
                inner.give(r, b.add(old[r], b.mul(counts, factor)))
        outer.new = inner.new
    numbers = _numbers(b, scale, bias, limits, 2, counted)
    for r in range(rows):
        wide = b.sext(outer.new[r], ir.VectorType(_WORD, PAIR))
        place = b.add(out, b.mul(apart, _LONG(r)))
        _finish(b, [_part(b, wide, v) for v in range(2)], numbers, place, counted)


class _Loop:
    """Values that a loop carries: ``new`` of a turn are those that the next begins with.

    After the loop ``new`` holds the results: it is left from its last block alone.
    """

    def __init__(self, index: Any, old: list[Any]) -> None:
        self.index = index
        self.new = list(old)

    def give(self, i: int, value: Any) -> None:
        """The value that the next turn gets."""
        self.new[i] = value


@contextmanager
def _loop(b: Any, turns: Any, starts: list[Any]) -> Iterator[tuple[_Loop, list[Any]]]:
    """A loop of at least one turn, with its values in registers."""
    before = b.block
    body = b.append_basic_block("turn")
    b.branch(body)
    b.position_at_end(body)
    index = b.phi(_LONG)
    index.add_incoming(_LONG(0), before)
    old = [b.phi(start.type) for start in starts]
    for phi, start in zip(old, starts, strict=True):
        phi.add_incoming(start, before)
    loop = _Loop(index, old)
    yield loop, old
    last = b.block
    following = b.add(index, _LONG(1))
    index.add_incoming(following, last)
    for phi, value in zip(old, loop.new, strict=True):
        phi.add_incoming(value, last)
    after = b.append_basic_block("turned")
    b.cbranch(b.icmp_signed("<", following, turns), body, after)
    b.position_at_end(after)


def _numbers(b: Any, scale: Any, bias: Any, limits: Any, vectors: int, counted: bool) -> Any:
    pairs = [_vectors(b, where, vectors, _REALS) for where in (scale, bias)]
    if not counted:
        return (*pairs, [])
    levels = [_load(b, b.add(limits, _LONG(4 * i)), ir.FloatType()) for i in range(4)]
    return (*pairs, [_everywhere(b, level) for level in levels])


def _finish(b: Any, sums: list[Any], numbers: Any, out: Any, counted: bool) -> None:
    """scale · sum + bias, or how many thresholds that reaches, stored channel by channel."""
    scale, bias, levels = numbers
    for v, total in enumerate(sums):
        y = b.fadd(b.fmul(b.sitofp(total, _REALS), scale[v]), bias[v])
        if counted:
            reached = [b.zext(b.fcmp_ordered(">=", y, level), _SUMS) for level in levels]
            count = b.add(b.add(reached[0], reached[1]), b.add(reached[2], reached[3]))
            _store(b, b.trunc(count, ir.VectorType(_BYTE, LANES)), b.add(out, _LONG(LANES * v)))
        else:
            _store(b, y, b.add(out, _LONG(4 * LANES * v)))


def _vectors(b: Any, address: Any, vectors: int, kind: Any) -> list[Any]:
    """Vectors of 4 · LANES bytes that lie one behind the other."""
    return [_load(b, b.add(address, _LONG(4 * LANES * v)), kind) for v in range(vectors)]


def _load(b: Any, address: Any, kind: Any) -> Any:
    value = b.load(b.inttoptr(address, kind.as_pointer()))
    value.align = 1
    return value


def _store(b: Any, value: Any, address: Any) -> None:
    b.store(value, b.inttoptr(address, value.type.as_pointer())).align = 1


def _everywhere(b: Any, value: Any) -> Any:
    """One number in every lane."""
    kind = ir.VectorType(value.type, LANES)
    undefined = ir.Constant(kind, ir.Undefined)
    lanes = ir.Constant(_SUMS, [0] * LANES)
    return b.shuffle_vector(b.insert_element(undefined, value, _WORD(0)), undefined, lanes)


def _part(b: Any, wide: Any, v: int) -> Any:
    """Lanes of one vector of two."""
    lanes = ir.Constant(_SUMS, list(range(LANES * v, LANES * (v + 1))))
    return b.shuffle_vector(wide, ir.Constant(wide.type, ir.Undefined), lanes)
