"""The building blocks of both branches. Submodule names are the keys of published checkpoints.

All tensors are (N, C, H, W); ``steps`` tells how N splits into time steps (see ``Steps``).
Convolutions are fed by spikes, residual additions are of real membrane inputs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spiketrack.limits import HEADS
from spiketrack.reference.neuron import Neuron, Steps


class ConvNorm(nn.Sequential):
    """Convolution (zero padding k // 2, no bias) followed by batch normalisation."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, groups: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
        )


class SepConv(nn.Module):
    """spike → 1×1 conv-bn → spike → depthwise k×k conv-bn → spike → 1×1 conv-bn."""

    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__()
        self.spike1 = Neuron()
        self.pwconv1 = ConvNorm(dim, 2 * dim)
        self.spike2 = Neuron()
        self.dwconv = ConvNorm(2 * dim, 2 * dim, kernel, groups=2 * dim)
        self.spike3 = Neuron()
        self.pwconv2 = ConvNorm(2 * dim, dim)

    def forward(self, x: Tensor, steps: Steps) -> Tensor:
        """x (N, C, H, W) → (N, C, H, W)."""
        x = self.pwconv1(self.spike1(x, steps))
        x = self.dwconv(self.spike2(x, steps))
        out: Tensor = self.pwconv2(self.spike3(x, steps))
        return out


class ConvBlock(nn.Module):
    """x += SepConv(x, 7); x += 3×3 conv-bn(spike(3×3 conv-bn(spike(x))))."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.Conv = SepConv(dim, 7)
        self.spike1 = Neuron()
        self.conv1 = nn.Conv2d(dim, 4 * dim, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4 * dim)
        self.spike2 = Neuron()
        self.conv2 = nn.Conv2d(4 * dim, dim, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(dim)

    def forward(self, x: Tensor, steps: Steps) -> Tensor:
        """x (N, C, H, W) → (N, C, H, W)."""
        x = x + self.Conv(x, steps)
        y = self.bn1(self.conv1(self.spike1(x, steps)))
        out: Tensor = x + self.bn2(self.conv2(self.spike2(y, steps)))
        return out


class Mlp(nn.Module):
    """spike → 1×1 conv (bias) + bn C→4C → spike → 1×1 conv (bias) + bn 4C→C over positions."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1_conv = nn.Conv1d(dim, 4 * dim, 1)
        self.fc1_spike = Neuron()
        self.fc2_conv = nn.Conv1d(4 * dim, dim, 1)
        self.fc2_spike = Neuron()
        self.fc1_bn = nn.BatchNorm1d(4 * dim)
        self.fc2_bn = nn.BatchNorm1d(dim)

    def forward(self, x: Tensor, steps: Steps) -> Tensor:
        """x (N, C, H, W) → (N, C, H, W)."""
        y = self.fc1_spike(x.flatten(2), steps)
        y = self.fc2_spike(self.fc1_bn(self.fc1_conv(y)), steps)
        out: Tensor = self.fc2_bn(self.fc2_conv(y))
        return out.view_as(x)


def split_heads(x: Tensor) -> Tensor:
    """(N, C, H, W) → (N, 8, H·W, C / 8); channel c is head c // d, index c mod d."""
    heads = x.reshape(x.shape[0], HEADS, x.shape[1] // HEADS, -1)
    return heads.transpose(2, 3)


def key_value(k: Tensor, v: Tensor) -> Tensor:
    """kv = kᵀ v per head: k (N, C, H, W), v (N, 4C, H, W) → (N, 8, d, 4d)."""
    kv: Tensor = split_heads(k).transpose(2, 3) @ split_heads(v)
    return kv


def read_out(q: Tensor, kv: Tensor) -> Tensor:
    """q · kv · d^-0.5 · 2: q (N, C, H, W), kv (N, 8, d, 4d) → (N, 4C, H, W)."""
    scale = kv.shape[-2] ** -0.5
    x: Tensor = split_heads(q) @ kv * scale * 2
    return x.transpose(2, 3).reshape(q.shape[0], -1, *q.shape[2:])


def project(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply a 1×1 convolution to an attention's output (N, 4C, H, W).

    Attention leaves its values position by position (channels last); the order in which this
    convolution sums follows that layout, and another order flips a few counts in 10^7.
    """
    out: Tensor = layer(x.contiguous(memory_format=torch.channels_last))
    return out.contiguous()


class PositionalEmbeddings(nn.Module):
    """One learned embedding (1, C, P²) for the search branch, one for each template step."""

    def __init__(self, dim: int, grid: int, templates: int = 4) -> None:
        super().__init__()
        self.s_pos_embed = nn.Parameter(torch.zeros(1, dim, grid * grid))
        self.t_pos_embeds = nn.ParameterList(
            nn.Parameter(torch.zeros(1, dim, grid * grid)) for _ in range(templates)
        )

    def embed_templates(self, x: Tensor, count: int) -> Tensor:
        """Add ``t_pos_embeds[min(t, last)]`` to x (count·B, C, P, P), step by step."""
        last = len(self.t_pos_embeds) - 1
        table = torch.cat([self.t_pos_embeds[min(t, last)] for t in range(count)])
        embedding = table.view(count, 1, *x.shape[1:])
        embedded: Tensor = x.reshape(count, -1, *x.shape[1:]) + embedding
        return embedded.flatten(0, 1)

    def embed_search(self, x: Tensor) -> Tensor:
        """Add ``s_pos_embed`` to x (B, C, P, P)."""
        return x + self.s_pos_embed.view(1, *x.shape[1:])


class SelfAttention(PositionalEmbeddings):
    """Spiking self-attention without softmax, 8 heads: proj(spike(q (kᵀ v) d^-0.5 2))."""

    def __init__(self, dim: int, grid: int) -> None:
        super().__init__(dim, grid)
        self.head_spike = Neuron()
        self.q_conv = ConvNorm(dim, dim)
        self.k_conv = ConvNorm(dim, dim)
        self.v_conv = ConvNorm(dim, 4 * dim)
        self.q_spike = Neuron()
        self.k_spike = Neuron()
        self.v_spike = Neuron()
        self.attn_spike = Neuron()
        self.proj_conv = ConvNorm(4 * dim, dim)

    def forward(self, x: Tensor, steps: Steps, search: bool) -> Tensor:
        """``search`` tells which embedding a batch of single steps without templates gets."""
        templates = 0 if search else x.shape[0] - steps.single
        parts = []
        if templates:
            parts.append(self.embed_templates(x[:templates], steps.steps))
        if templates < x.shape[0]:
            parts.append(self.embed_search(x[templates:]))
        x = self.head_spike(torch.cat(parts) if len(parts) > 1 else parts[0], steps)
        q = self.q_spike(self.q_conv(x), steps)
        k = self.k_spike(self.k_conv(x), steps)
        v = self.v_spike(self.v_conv(x), steps)
        x = self.attn_spike(read_out(q, key_value(k, v)), steps)
        return project(self.proj_conv, x)


class TransformerBlock(nn.Module):
    """x += SepConv(x, 3); x += attention(x); x += MLP(x)."""

    def __init__(self, dim: int, grid: int) -> None:
        super().__init__()
        self.conv = SepConv(dim, 3)
        self.attn = SelfAttention(dim, grid)
        self.mlp = Mlp(dim)

    def forward(self, x: Tensor, steps: Steps, search: bool) -> Tensor:
        """x (N, C, P, P) → (N, C, P, P)."""
        x = x + self.conv(x, steps)
        x = x + self.attn(x, steps, search)
        out: Tensor = x + self.mlp(x, steps)
        return out


class Downsample(nn.Module):
    """(spike unless first) → conv with bias → batch normalisation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, first: bool) -> None:
        super().__init__()
        self.encode_conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
        self.encode_bn = nn.BatchNorm2d(outputs)
        self.encode_spike = None if first else Neuron()

    def forward(self, x: Tensor, steps: Steps) -> Tensor:
        """x (N, C, H, W) → (N, C_out, H / stride, W / stride)."""
        if self.encode_spike is not None:
            x = self.encode_spike(x, steps)
        out: Tensor = self.encode_bn(self.encode_conv(x))
        return out
