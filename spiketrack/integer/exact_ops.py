"""Convolutions with integer weights by torch's private operators, each proven before it is used.

torch promises nothing about its ``onednn`` and ``mkldnn`` operators: in 2.3
``onednn.qconv2d_pointwise`` takes the inverse of its output scale, in 2.13 the scale itself. So
this module alone calls them. A family lists variants, fastest first, torch's public convolution
last; ``exact_choice`` takes the first that gives the integers of ``exact_proof``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spiketrack.integer.neurons import count
from spiketrack.limits import MAX_COUNT

OneStep = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Layer:
    """y = scale · (w ∗ x) + bias; with a ``unit`` round(clip(y, 0, 4 · unit) / unit) in its place.

    ``weight`` (O, I / groups, kh, kw): int8 where x holds counts, float32 where it holds other
    integers; ``scale`` powers of two and ``bias`` integers, (O,) float32; ``unit`` a power of two,
    ties go to even; ``size``: the shape of x, (N, I, H, W), which packing depends on; ``pixels``:
    x holds 0..255 and the weights are integers of 8 bits, both as float32.
    y is float32, counts are uint8; x is uint8 or float32, channels last.
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor
    size: tuple[int, ...]
    stride: int = 1
    padding: int = 0
    groups: int = 1
    unit: int | None = None
    pixels: bool = False

    @property
    def real_weight(self) -> Tensor:
        """scale · w in float32."""
        return self.weight.float() * self.scale[:, None, None, None]

    @property
    def macs(self) -> int:
        """Multiplications of the layer."""
        steps, _, *edges = self.size
        reach = 2 * self.padding - self.weight.shape[2]
        positions = steps
        for edge in edges:
            positions *= (edge + reach) // self.stride + 1
        return positions * self.weight.numel()

    @property
    def places(self) -> tuple[list[int], list[int], list[int]]:
        """Stride, padding and dilation as two numbers each."""
        return [self.stride] * 2, [self.padding] * 2, [1, 1]


Pack = Callable[[Layer], OneStep]


def _onednn(operator: str, inverse: bool) -> Pack:
    """oneDNN's 8-bit convolution: sums in int32, one scale a channel, bias in float32.

    With a unit the same pass clips to 0..4 units, scales and rounds half to even.
    """

    def pack(layer: Layer) -> OneStep:
        library: Any = torch.ops.onednn  # type: ignore[attr-defined]
        run = getattr(library, operator)
        scale, bias, place = layer.scale, layer.bias, (*layer.places, layer.groups)
        zero = torch.zeros(len(scale), dtype=torch.int64)
        packed = library.qconv_prepack(layer.weight, scale, 1.0, 0, *place, list(layer.size))
        behind: tuple[Any, ...] = (1.0, 0, torch.float32, "none", [], None)
        if layer.unit is not None:
            output = 1 / layer.unit if inverse else float(layer.unit)
            behind = (output, 0, torch.uint8, "hardtanh", [0.0, MAX_COUNT * layer.unit], None)
        convolve: OneStep = lambda x: run(  # noqa: E731
            x, 1.0, 0, packed, scale, zero, bias, *place, *behind
        )
        return convolve

    return pack


def _compiled(layer: Layer) -> OneStep:
    """Ours, compiled for this processor: no call of torch's a layer (``compiled/``)."""
    from spiketrack.integer.compiled.dots import supported

    if not supported():
        raise NotImplementedError("this processor lacks AVX2")
    from spiketrack.integer.compiled.layers import packed

    thresholds = () if layer.unit is None else ties_to_even(layer.unit)
    place = (layer.stride, layer.padding, layer.groups)
    weight = layer.weight.to(torch.int8)
    return packed(weight, layer.scale, layer.bias, layer.size, place, thresholds)


def _compiled_pixels(layer: Layer) -> OneStep:
    """The same for pixels, which are 8 bits without sign as counts are."""
    from spiketrack.integer.compiled.dots import wide

    if not wide():
        raise NotImplementedError("this processor lacks AVX-512 VNNI: pixels saturate without")
    run = _compiled(layer)
    return lambda x: run(x.to(torch.uint8, memory_format=torch.channels_last))


def _mkldnn(layer: Layer) -> OneStep:
    """oneDNN's float32 convolution with weights in its own order."""
    library: Any = torch.ops.mkldnn  # type: ignore[attr-defined]
    stride, padding, dilation = layer.places
    place, bias = (padding, stride, dilation, layer.groups), layer.bias
    packed = library._reorder_convolution_weight(layer.real_weight, *place, list(layer.size))
    run = library._convolution_pointwise
    return _counted(layer.unit, lambda x: run(x.float(), packed, bias, *place, "none", [], ""))


def _public(layer: Layer) -> OneStep:
    """torch's own convolution in float32."""
    weight, bias = layer.real_weight, layer.bias
    place = (layer.stride, layer.padding, 1, layer.groups)
    return _counted(layer.unit, lambda x: functional.conv2d(x.float(), weight, bias, *place))


def ties_to_even(unit: int) -> tuple[int, int, int, int]:
    """The thresholds of round(clip(y, 0, 4 · unit) / unit), half to even, for integer y."""
    return unit // 2 + 1, 3 * unit // 2, 5 * unit // 2 + 1, 7 * unit // 2


def _counted(unit: int | None, membrane: OneStep) -> OneStep:
    if unit is None:
        return membrane
    thresholds = np.array(ties_to_even(unit), np.float32)
    return lambda x: count(membrane(x), thresholds)


@dataclass(frozen=True)
class Variant:
    """One way to compute; ``note``: what a user should know where nothing faster is exact."""

    name: str
    pack: Pack
    note: str = ""


SLOWER = "no 8-bit operator is exact here, float32 takes its place: exact and slower"


@dataclass(frozen=True)
class Family:
    """Variants of one operation, fastest first; ``counts``: int8 weights meet counts in uint8."""

    name: str
    counts: bool
    variants: tuple[Variant, ...]


COUNTS = Family(
    "convolution of counts",
    True,
    (
        Variant("onednn.qconv2d_pointwise, inverse scale", _onednn("qconv2d_pointwise", True)),
        Variant("onednn.qconv2d_pointwise", _onednn("qconv2d_pointwise", False)),
        Variant("onednn.qconv_pointwise", _onednn("qconv_pointwise", False)),
        Variant("mkldnn._convolution_pointwise", _mkldnn, SLOWER),
        Variant("conv2d", _public, SLOWER),
    ),
)
REALS = Family(
    "convolution of pixels and memories",
    False,
    (Variant("mkldnn._convolution_pointwise", _mkldnn), Variant("conv2d", _public)),
)
COMPILED = "compiled for this processor"
SMALL = Family(
    "small convolution of counts", True, (Variant(COMPILED, _compiled), *COUNTS.variants)
)
PIXELS = Family(
    "small convolution of pixels", False, (Variant(COMPILED, _compiled_pixels), *REALS.variants)
)
