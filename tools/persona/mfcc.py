"""MFCC statistics: mean and deviation of cepstral coefficients and deltas, without parameters."""

import math

import torch
from torch import nn

# 40 coefficients of the log-mel bands, with deltas and delta-deltas: 2 · 40 · 3 = 240 values.
MFCC_STATS = {
    "kind": "mfcc-stats",
    "transform": "dct",
    "coefficients": 40,
    "delta_reach": 4,
    "delta_orders": 2,
    "pooling": {"kind": "statistics", "variance": "biased", "floor": 1e-5},
    "normalise": True,
}


def dct_matrix(bands, coefficients):
    """Orthonormal DCT-II [coefficients, bands]: s[k] · cos(π k (n + ½) / bands)."""
    k = torch.arange(coefficients, dtype=torch.float64)[:, None]
    n = torch.arange(bands, dtype=torch.float64)
    matrix = torch.cos(math.pi * k * (n + 0.5) / bands) * math.sqrt(2 / bands)
    matrix[0] = math.sqrt(1 / bands)
    return matrix


def deltas(x, reach):
    """Delta features, [batch, frames, dim] → same shape: Σ n · (x[t + n] − x[t − n]) / (2 Σ n²) for
    n = 1 … reach. The first and last frames are repeated beyond the ends."""
    frames = torch.arange(x.shape[1], device=x.device)

    def at(offset):
        return x[:, (frames + offset).clamp(0, x.shape[1] - 1)]

    slope = sum(n * (at(n) - at(-n)) for n in range(1, reach + 1))
    return slope / (2 * sum(n * n for n in range(1, reach + 1)))


class MfccStatistics(nn.Module):
    """Features [batch, frames, bands] → [batch, 2 · coefficients · (orders + 1)].

    The means of the coefficients, deltas and delta-deltas, then their standard deviations."""

    def __init__(self, bands, config):
        super().__init__()
        self.coefficients = config["coefficients"]
        self.reach, self.orders = config["delta_reach"], config["delta_orders"]
        dct = config["transform"] == "dct"
        matrix = (
            dct_matrix(bands, self.coefficients) if dct else torch.eye(bands)[: self.coefficients]
        )
        self.register_buffer("matrix", matrix.float(), persistent=False)
        pooling = config["pooling"]
        self.unbiased, self.floor = pooling["variance"] == "unbiased", pooling["floor"]
        self.dim = 2 * self.coefficients * (self.orders + 1)

    def frames(self, x):
        """[batch, frames, bands] → coefficients and deltas [batch, frames, coefficients · (orders +
        1)]."""
        parts = [x @ self.matrix.T]
        for _ in range(self.orders):
            parts.append(deltas(parts[-1], self.reach))
        return torch.cat(parts, dim=2)

    def forward(self, x):
        x = self.frames(x)
        variance = x.var(dim=1, unbiased=self.unbiased)
        return torch.cat([x.mean(dim=1), variance.clamp(min=self.floor).sqrt()], dim=1)
