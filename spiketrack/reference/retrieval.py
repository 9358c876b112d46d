"""Memory retrieval: templates write kv matrices, the search branch reads them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from spiketrack.reference.blocks import (
    ConvNorm,
    Mlp,
    PositionalEmbeddings,
    key_value,
    project,
    read_out,
)
from spiketrack.reference.neuron import Neuron, Steps


class TemporalGate(nn.Module):
    """One logit a time step and channel from the P² positions of that channel."""

    def __init__(self, positions: int) -> None:
        super().__init__()
        self.mlp = nn.ModuleList(
            [
                nn.Conv1d(positions, positions // 2, 1),
                Neuron(),
                nn.Conv1d(positions // 2, 1, 1),
            ]
        )

    def forward(self, x: Tensor, steps: Steps) -> Tensor:
        """x (T·B, 4C, P, P) → logits (T·B, 4C)."""
        x = self.mlp[0](x.flatten(2).transpose(1, 2))
        logits: Tensor = self.mlp[2](self.mlp[1](x, steps))
        return logits[:, 0]


class Retriever(PositionalEmbeddings):
    """Writes a memory from T templates and reads it for one search map.

    ``write``: kv[t] = spike(k(x[t]))ᵀ spike(v(x[t])) per head, (T, B, 8, d, 4d).
    ``forward``: the search map's answer, of the search map's shape.
    """

    def __init__(self, dim: int, grid: int, templates: int, embeddings: int = 4) -> None:
        super().__init__(dim, grid, embeddings)
        self.grid = grid
        self.head_spike = Neuron()
        self.q_conv = ConvNorm(dim, dim)
        self.k_conv = ConvNorm(dim, dim)
        self.v_conv = ConvNorm(dim, 4 * dim)
        self.q_spike = Neuron()
        self.k_spike = Neuron()
        self.v_spike = Neuron()
        self.attn_spike = Neuron()
        self.proj_conv = ConvNorm(4 * dim, dim)
        self.gate = TemporalGate(grid * grid)
        self.softmax = nn.Softmax(-1)
        self.gate_spike = Neuron()
        self.seg_responder_dw = nn.ModuleList(
            ConvNorm(4 * dim, 4 * dim, 3, groups=4 * dim) for _ in range(templates)
        )
        self.seg_responder_pw = nn.ModuleList(ConvNorm(4 * dim, dim) for _ in range(templates))
        self.fuser = ConvNorm(dim, dim)
        self.seg_pw_spike = Neuron()
        self.seg_dw_spike = Neuron()
        self.fuser_spike = Neuron()

    def pool(self, x: Tensor) -> Tensor:
        """Average-pool to P × P where the map is larger."""
        return x if x.shape[-1] == self.grid else functional.adaptive_avg_pool2d(x, self.grid)

    def write(self, templates: Tensor, steps: int) -> Tensor:
        """templates (T·B, C, H, W) → memory (T, B, 8, d, 4d)."""
        x = self.embed_templates(self.pool(templates), steps)
        x = self.head_spike(x, Steps(steps))
        v = self.v_spike(self.v_conv(x), Steps(steps))
        k = self.k_spike(self.k_conv(x), Steps(steps))
        kv = key_value(k, v)
        return kv.reshape(steps, -1, *kv.shape[1:])

    def forward(self, memory: Tensor, search: Tensor) -> Tensor:
        """memory (T, B, 8, d, 4d), search (B·K, C, H, W) → (B·K, C, H, W).

        K searches share a memory in training; else K is 1.
        """
        if memory.shape[1] != search.shape[0]:
            memory = memory.repeat_interleave(search.shape[0] // memory.shape[1], 1)
        count = memory.shape[0]
        steps = Steps(count)
        kv = memory.flatten(0, 1)
        x = self.head_spike(self.embed_search(self.pool(search)))
        q0 = self.q_conv(x)
        shortcut = q0.repeat(count, 1, 1, 1)
        x = self.q_spike(shortcut, steps)
        x = self.q_spike(read_out(x, kv), steps)
        x = self.seg_dw_spike(self._each_step(self.seg_responder_dw, x), steps)
        x = self._each_step(self.seg_responder_pw, x) + shortcut
        x = self.fuser(self.seg_pw_spike(x, steps))
        x = self.fuser_spike(x, steps)
        x = self.attn_spike(read_out(x, kv), steps)
        if count > 1:
            x = self._gated(x, steps)
        x = project(self.proj_conv, x)
        if search.shape[-1] != self.grid:
            size = search.shape[-2:]
            x = functional.interpolate(x, size, mode="bilinear", align_corners=False)
        retrieved: Tensor = x
        return retrieved

    @staticmethod
    def _each_step(layers: nn.ModuleList, x: Tensor) -> Tensor:
        parts = x.chunk(len(layers))
        return torch.cat([layer(part) for layer, part in zip(layers, parts, strict=True)])

    def _gated(self, x: Tensor, steps: Steps) -> Tensor:
        logits = self.gate(x, steps).reshape(steps.steps, -1, x.shape[1])
        # T innermost and contiguous: other layouts round some of the sums differently
        weights = self.softmax(logits.permute(1, 2, 0).contiguous())
        maps = x.reshape(steps.steps, -1, *x.shape[1:])
        mixed = (maps * weights.permute(2, 0, 1)[..., None, None]).sum(0)
        gated: Tensor = self.gate_spike(mixed)
        return gated


class MemoryRetrieval(nn.Module):
    """search += Retriever(memory, search); search += MLP(search)."""

    def __init__(self, dim: int, grid: int, templates: int) -> None:
        super().__init__()
        self.retriever = Retriever(dim, grid, templates)
        self.mlp = Mlp(dim)

    def forward(self, memory: Tensor, search: Tensor) -> Tensor:
        """memory (T, B, 8, d, 4d), search (B, C, H, W) → (B, C, H, W)."""
        search = search + self.retriever(memory, search)
        out: Tensor = search + self.mlp(search, Steps())
        return out
