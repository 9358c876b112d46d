"""Targets on the score map, and the loss.

    loss = focal + giou_weight · (1 - GIoU) + l1_weight · L1 + size_weight · |Δ log size|

heat = exp(-d² / 2σ²) round the cell of the truth, σ from the target's size; focal(score, heat) as
in CenterNet (α 2, β 4). The other terms are of boxes, taken on the 3×3 cells round the truth and
weighted exp(-d² / 2). |Δ log size| is the mean over width and height: without it the network leans
on the crop's scale, and in closed loop an error of size outlives many frames.

Boxes are centre x, centre y, w, h in crops; P cells along a side.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spiketrack.training.schema import OptimiserSection

SMALLEST = 1e-3  # of a crop: the least side whose logarithm is taken
SIGMA = (0.5, 1.5)  # of the heat, in cells: at 8 × 8 a rounded radius would be 0


@dataclass(frozen=True)
class Losses:
    """The total to descend and its four parts, all scalars."""

    total: Tensor
    focal: Tensor
    giou: Tensor
    l1: Tensor
    size: Tensor


def cells(boxes: Tensor, grid: int) -> Tensor:
    """Cell (x, y) of each centre (B, 2); a centre on or beyond the border belongs to the last."""
    cell: Tensor = (boxes[:, :2] * grid).floor().clamp(0, grid - 1)
    return cell


def squared_distance(boxes: Tensor, grid: int) -> Tensor:
    """Squared distance (B, P, P) in cells from the cell of the truth; rows are y."""
    cell = cells(boxes, grid)
    axis = torch.arange(grid, dtype=boxes.dtype)
    dx = (axis[None, :] - cell[:, :1]) ** 2
    dy = (axis[None, :] - cell[:, 1:]) ** 2
    distance: Tensor = dy[:, :, None] + dx[:, None, :]
    return distance


def focal_loss(score: Tensor, distance: Tensor, boxes: Tensor, grid: int) -> Tensor:
    """score (B, 1, P, P) in (0, 1); mean over the batch, one positive cell an item."""
    sigma = ((boxes[:, 2] * boxes[:, 3]).sqrt() * grid / 4).clamp(*SIGMA)
    heat = torch.exp(-distance / (2 * sigma[:, None, None] ** 2))
    p = score[:, 0]
    positive = (distance == 0).to(p.dtype)
    hit = -((1 - p) ** 2) * p.log() * positive
    miss = -(p**2) * (1 - p).log() * (1 - heat) ** 4
    loss: Tensor = (hit + miss).sum() / p.shape[0]
    return loss


def cell_boxes(maps: dict[str, Tensor]) -> Tensor:
    """The box that each cell predicts, (B, 4, P, P)."""
    offset, size = maps["offset_map"], maps["size_map"]
    grid = size.shape[-1]
    axis = torch.arange(grid, dtype=size.dtype)
    x = (axis[None, None, :] + offset[:, 0]) / grid
    y = (axis[None, :, None] + offset[:, 1]) / grid
    return torch.stack([x, y, size[:, 0], size[:, 1]], 1)


def overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and GIoU of boxes with the coordinates on axis 1."""
    low_a, high_a = a[:, :2] - a[:, 2:] / 2, a[:, :2] + a[:, 2:] / 2
    low_b, high_b = b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2
    inner = (torch.minimum(high_a, high_b) - torch.maximum(low_a, low_b)).clamp(min=0).prod(1)
    outer = (torch.maximum(high_a, high_b) - torch.minimum(low_a, low_b)).prod(1).clamp(min=1e-9)
    union = (a[:, 2:].prod(1) + b[:, 2:].prod(1) - inner).clamp(min=1e-9)
    iou = inner / union
    return iou, iou - (outer - union) / outer


def total_loss(maps: dict[str, Tensor], boxes: Tensor, weights: OptimiserSection) -> Losses:
    """The loss of maps as the network returns them against boxes (B, 4)."""
    grid = maps["score_map"].shape[-1]
    distance = squared_distance(boxes, grid)
    focal = focal_loss(maps["score_map"], distance, boxes, grid)
    predicted = cell_boxes(maps)
    truth = boxes[:, :, None, None].expand_as(predicted)
    giou, l1, size = _box_terms(predicted, truth, _weight(distance))
    box = weights.giou_weight * giou + weights.l1_weight * l1 + weights.size_weight * size
    return Losses(focal + box, focal, giou, l1, size)


def _weight(distance: Tensor) -> Tensor:
    """exp(-d² / 2) on the 3×3 cells round the truth, of sum 1 over the batch."""
    weight = torch.exp(-distance / 2) * (distance <= 2)
    return weight / weight.sum()


def _box_terms(a: Tensor, b: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """1 - GIoU, L1 and |Δ log size| of two maps of boxes (B, 4, P, P), weighted."""
    giou = ((1 - overlap(a, b)[1]) * weight).sum()
    l1 = ((a - b).abs().mean(1) * weight).sum()
    ratio = a[:, 2:].clamp(min=SMALLEST).log() - b[:, 2:].clamp(min=SMALLEST).log()
    return giou, l1, (ratio.abs().mean(1) * weight).sum()


def decode(maps: dict[str, Tensor], window: bool = True) -> Tensor:
    """Boxes (B, 4) at the best cell of the (windowed) score map, as the tracker takes them."""
    score = maps["score_map"][:, 0]
    grid = score.shape[-1]
    if window:
        hann = torch.hann_window(grid + 2, periodic=False)[1:-1]
        score = score * hann[:, None] * hann[None, :]
    best = score.flatten(1).argmax(1)
    return cell_boxes(maps).flatten(2)[torch.arange(len(best)), :, best]
