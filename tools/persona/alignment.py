"""Moves what a network hears in inverted audio to where it lies for real audio.

Audio inverted from spectrograms has phases of nobody's making, and CAM++ hears that. On recordings that can be had both ways, each value of made
audio first takes the mean and spread of real audio, and what is left of the difference is told from all values by ridge regression.
"""
import torch

PENALTY = 1e4  # of standardised values; chosen on a quarter of the pairs kept out, where it explained most


class Alignment:
    """x → x · scale + shift + standardised(x) @ weights."""

    def __init__(self, made, real, floor=1e-4):
        """From vectors [pairs, dim] of the same stretches."""
        self.mean, spread = made.mean(0), made.std(0).clamp(min=floor)
        self.scale = real.std(0).clamp(min=floor) / spread
        self.spread, self.aim = spread, real.mean(0)
        z = (made - self.mean) / spread
        kernel = z @ z.T + PENALTY * torch.eye(len(z))
        self.weights = z.T @ torch.linalg.solve(kernel, real - self.aim - (made - self.mean) * self.scale)


    def __call__(self, made):
        centred = made - self.mean
        return self.aim + centred * self.scale + (centred / self.spread) @ self.weights
