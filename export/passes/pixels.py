"""The image layer on raw pixels, so that the integer network sees the crop without any rounding.

A normalised pixel is x = (p / 255 - m) / s, so over the part of a kernel that lies inside the image

    Σ w x + b = Σ w / (255 s) · p  +  (b - Σ w m / s)

The layer reads p = 0..255 with zero padding; the bracket is a map of constants, the same everywhere
but along the border, where padding stands for x = 0 and not for p = 0.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from spiketrack.errors import GraphError
from spiketrack.integer.graph import IMAGE, Graph, Input, Node
from spiketrack.integer.real import RealConv, RealSum
from spiketrack.limits import PIXEL_MAX
from spiketrack.preprocessing import PIXEL_MEAN, PIXEL_STEP

Reals = NDArray[np.float64]


def on_pixels(folded: Graph) -> Graph:
    """A folded graph whose image layer reads pixels and is followed by its map of constants."""
    image = next((n for n in folded.inputs if n.signal == IMAGE), None)
    if image is None:
        return folded
    renamed: dict[str, str] = {}
    nodes: list[Node] = []
    for node in folded:
        if node is image:
            nodes.append(dataclasses.replace(image, low=0, high=PIXEL_MAX))
        elif isinstance(node, RealConv) and node.inputs == (image.name,):
            nodes += _layer(node, image)
            renamed[node.name] = nodes[-1].name
        elif image.name in node.inputs:
            raise GraphError(f"{node.name}: only convolutions can read the image")
        else:
            inputs = tuple(renamed.get(name, name) for name in node.inputs)
            nodes.append(dataclasses.replace(node, inputs=inputs))
    return Graph(folded.name, tuple(nodes))


def _layer(node: RealConv, image: Input) -> list[Node]:
    weight = node.weight / PIXEL_STEP[:, None, None]
    conv = dataclasses.replace(node, weight=weight, bias=np.zeros_like(node.bias))
    constants = _constants(node, image)[None]
    return [conv, RealSum(f"{node.name}.constants", (node.name,), node.shape, constants)]


def _constants(node: RealConv, image: Input) -> Reals:
    """b - Σ w m / s over the part of the kernel inside the image, (C_out, H, W)."""
    weight, bias = torch.from_numpy(node.weight[0]), torch.from_numpy(node.bias[0])
    flat = torch.from_numpy(-PIXEL_MEAN / PIXEL_STEP)[None, :, None, None].expand(
        1, *image.shape[1:]
    )
    size = {"stride": node.stride, "padding": node.padding}
    constants: Reals = functional.conv2d(flat, weight, bias, **size)[0].numpy()
    return constants
