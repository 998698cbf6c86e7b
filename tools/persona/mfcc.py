"""Statistics of cepstral coefficients and of their changes: the classical representation, as a PyTorch module without parameters."""
import math

import torch
from torch import nn

# 40 coefficients of the log-mel bands, with deltas and their deltas: 2 · 40 · 3 = 240 values.
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
    """[coefficients, bands]: the orthonormal DCT-II, s[k] · cos(π k (n + ½) / bands)."""
    k, n = torch.arange(coefficients, dtype=torch.float64)[:, None], torch.arange(bands, dtype=torch.float64)
    matrix = torch.cos(math.pi * k * (n + 0.5) / bands) * math.sqrt(2 / bands)
    matrix[0] = math.sqrt(1 / bands)
    return matrix


def deltas(x, reach):
    """[batch, frames, dim] → the same: Σ n · (x[t + n] − x[t − n]) / (2 Σ n²) for n = 1 … reach, the outermost frames repeated beyond the ends."""
    frames = torch.arange(x.shape[1], device=x.device)
    at = lambda offset: x[:, (frames + offset).clamp(0, x.shape[1] - 1)]
    slope = sum(n * (at(n) - at(-n)) for n in range(1, reach + 1))
    return slope / (2 * sum(n * n for n in range(1, reach + 1)))


class MfccStatistics(nn.Module):
    """Features [batch, frames, bands] → [batch, 2 · coefficients · (orders + 1)]: means of the coefficients, their deltas and the deltas' deltas,
    then their standard deviations."""

    def __init__(self, bands, config):
        super().__init__()
        self.coefficients, self.reach, self.orders = (config[k] for k in ("coefficients", "delta_reach", "delta_orders"))
        matrix = dct_matrix(bands, self.coefficients) if config["transform"] == "dct" else torch.eye(bands)[: self.coefficients]
        self.register_buffer("matrix", matrix.float(), persistent=False)
        self.unbiased, self.floor = config["pooling"]["variance"] == "unbiased", config["pooling"]["floor"]
        self.dim = 2 * self.coefficients * (self.orders + 1)

    def frames(self, x):
        """[batch, frames, bands] → coefficients and deltas [batch, frames, coefficients · (orders + 1)]."""
        parts = [x @ self.matrix.T]
        for _ in range(self.orders):
            parts.append(deltas(parts[-1], self.reach))
        return torch.cat(parts, dim=2)

    def forward(self, x):
        x = self.frames(x)
        variance = x.var(dim=1, unbiased=self.unbiased)
        return torch.cat([x.mean(dim=1), variance.clamp(min=self.floor).sqrt()], dim=1)
