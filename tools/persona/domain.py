"""Distance of a vector to the training domain, and what depends on it: the softmax temperature."""

import numpy as np
import torch

QUANTILE = 0.95  # of held-out clean clips' distances, below which a recording is familiar
UNFAMILIAR = 1.3


class Domain:
    """distance(x) = (Σᵢ (cᵢ / dᵢ)² + (|u|² − |c|²) / d₀²) / dim with u = (x − mean) / scale,
    c = components · u: a Mahalanobis distance with a covariance of low rank plus a multiple of the
    identity."""

    def __init__(self, vectors, rank=32):
        """Fits the distance to vectors [clips, dim] of the training set."""
        self.mean, self.scale = vectors.mean(0), vectors.std(0).clamp(min=1e-4)
        u = (vectors - self.mean) / self.scale
        torch.manual_seed(0)
        _, singular, directions = torch.svd_lowrank(u, q=2 * rank)
        self.components = directions[:, :rank].T.contiguous()
        values = singular[:rank].square() / len(u)
        rest = (u.square().sum() / len(u) - values.sum()) / (u.shape[1] - rank)
        self.deviations = torch.cat([values, rest[None]]).sqrt()

    def distance(self, x):
        """[clips] of vectors [clips, dim]."""
        u = (x - self.mean) / self.scale
        c = u @ self.components.T
        inside = (c / self.deviations[:-1]).square().sum(1)
        rest = (u.square().sum(1) - c.square().sum(1)) / self.deviations[-1] ** 2
        return (inside + rest) / x.shape[1]

    def tensors(self):
        """The tensors of the model file."""
        return {
            "domain.mean": self.mean,
            "domain.scale": self.scale,
            "domain.components": self.components,
            "domain.deviations": self.deviations,
        }


def temperature_factors(temperature, familiar_below):
    """Factors of the temperature by distance. Logits of networks trained with mixup are too flat, so
    the temperature that is fitted at home is below 1. This sharpening holds for what is familiar; it
    is withdrawn linearly up to `UNFAMILIAR` times the largest familiar distance, and never more than
    that.

    A curve fitted to held-out clips under simulated conditions is flat (its largest factor is 1.04):
    networks that were trained under such conditions are not overconfident there."""
    return {
        "distance": [round(familiar_below, 4), round(UNFAMILIAR * familiar_below, 4)],
        "factor": [1.0, round(max(1.0, 1.0 / temperature), 4)],
    }


def factors(curve, distance):
    """The factor of each distance, by linear interpolation; constant outside the knots."""
    return np.interp(distance, curve["distance"], curve["factor"])
