"""Alignment of embeddings of reconstructed audio to embeddings of recorded audio.

Audio reconstructed from spectrograms has artificial phases, which change CAM++'s embeddings. On
recordings for which both versions exist, each value of the embedding is first mapped to the mean
and standard deviation of recorded audio; ridge regression on all values then predicts the rest of
the difference.
"""

import torch

# Of standardised values. Chosen on a quarter of the pairs held out, where it explained most.
PENALTY = 1e4


class Alignment:
    """x → x · scale + shift + standardised(x) @ weights."""

    def __init__(self, reconstructed, recorded, floor=1e-4):
        """Fits the map to embeddings [pairs, dim] of the same segments."""
        self.mean, spread = reconstructed.mean(0), reconstructed.std(0).clamp(min=floor)
        self.scale = recorded.std(0).clamp(min=floor) / spread
        self.spread, self.target = spread, recorded.mean(0)
        z = (reconstructed - self.mean) / spread
        kernel = z @ z.T + PENALTY * torch.eye(len(z))
        residual = recorded - self.target - (reconstructed - self.mean) * self.scale
        self.weights = z.T @ torch.linalg.solve(kernel, residual)

    def __call__(self, reconstructed):
        centred = reconstructed - self.mean
        return self.target + centred * self.scale + (centred / self.spread) @ self.weights
