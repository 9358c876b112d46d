"""The grid on which float32 and the integer network compute the same counts.

On it every membrane is a sum of multiples of one power of two that both float32 and 24-bit
integers hold, and never as near to a threshold as float32 errs. Module names decide:

- ``weights``: the smallest exponent of a convolution's folded weights. It comes from the 24 bits,
  less what the layers behind add: two for a count's quarter, four or two for the mean of a pool,
  six or four for bilinear up-sampling by 4 or 2, four for two leaks, one for the bias.
- ``bias``: what biases are multiples of. Odd multiples of half a step keep a membrane off every
  threshold, which is a multiple of a step; what is added to it later has whole steps.
- ``leak``: a quarter, or none where there is no room for a quarter of a state (the first stage) or
  the state has the irrational unit of an attention product.
- the temporal gate's logits are multiples of 32: their softmax in float32 is exactly 1 and 0, or
  equal shares, so the step with the largest logit wins.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor

IMAGE_LAYER = "encoder.downsample1_1.encode_conv"  # its weights count a pixel step, 1 / (255 s)
GATE = ".gate.mlp.2"
MEMBRANE = r"(.*\.(pwconv2|proj_conv|seg_responder_pw\.\d+)\.0|.*\.(conv2|fc2_conv))"


@dataclass(frozen=True)
class Grid:
    """Exponents of two: the least of weights, and the step of biases, perhaps odd multiples."""

    weights: int
    bias: int
    odd: bool = False


LAYERS = (
    (IMAGE_LAYER, Grid(-14, -14)),  # its bias: ``snapping.py``
    (r"encoder\.downsample1_2\.encode_conv", Grid(-7, -10, odd=True)),
    (
        r"encoder\.(ConvBlock1_2\.\d+\.(Conv\.pwconv2\.0|conv2)|mrm\.0\.mlp\.fc2_conv)",
        Grid(-7, -9),
    ),
    (r"encoder\.mrm\.0\.retriever\.proj_conv\.0", Grid(-6, -15, odd=True)),
    (r"encoder\.mrm\.1\.retriever\.proj_conv\.0", Grid(-9, -16, odd=True)),
    (r".*\.seg_responder_dw\.\d+\.0", Grid(-6, -9, odd=True)),
    (rf".*{re.escape(GATE)}", Grid(7, 7)),
    (MEMBRANE, Grid(-9, -11)),
    (r".*", Grid(-9, -12, odd=True)),
)
_EMBEDDINGS = (
    (r"encoder\.mrm\.[01]\..*", Grid(0, -14, odd=True)),  # pooled: finer by four or two bits
    (r".*", Grid(0, -9)),
)
_NO_LEAK = re.compile(
    r"encoder\.(ConvBlock1_1\.\d+\.(Conv\.)?spike1|downsample1_2\.encode_spike"
    r"|mrm\.\d+\.retriever\.q_spike|.*\.attn_spike)"
)
LEAK, NO_LEAK = -math.log(3), -120.0  # sigmoid: 0.25, and 0 in float32


def layer_grid(name: str) -> Grid:
    """The grid of a convolution, by its module's name."""
    return _first(LAYERS, name)


def embedding_grid(name: str) -> Grid:
    """The grid of a positional embedding, by its parameter's name."""
    return _first(_EMBEDDINGS, name)


def leak(population: str) -> float:
    """What the decays of a population are before the sigmoid, by its module's name."""
    return NO_LEAK if _NO_LEAK.fullmatch(population) else LEAK


def round_to(values: Tensor, grid: Grid) -> Tensor:
    """The nearest multiples of 2^bias, or the nearest odd ones."""
    step = 2.0**grid.bias
    if grid.odd:
        return (torch.floor(values / (2 * step)) * 2 + 1) * step
    return torch.round(values / step) * step


def _first(table: tuple[tuple[str, Grid], ...], name: str) -> Grid:
    return next(grid for pattern, grid in table if re.fullmatch(pattern, name))
