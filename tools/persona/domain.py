"""Distance of a vector to the training domain, and what depends on it: the softmax temperatures and
the width of the age interval. Fitted to held-out actors under many acoustic conditions."""

import numpy as np
import torch

from . import calibration

KNOTS = 6
QUANTILE = 0.95  # of held-out clean clips' distances, below which a recording is familiar
WIDEST = 4.0  # largest factor


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


def knots(distance):
    """Distances at which a factor is fitted: medians of the groups of equal size."""
    at = (np.arange(KNOTS) + 0.5) / KNOTS
    return np.quantile(np.asarray(distance, float), at)


def temperature_factors(logits, target, distance, temperature):
    """Factors of the temperature by distance: the temperature fitted to each group of clips of
    similar distance over the one of all, never below 1, never falling with the distance, and beyond
    the last knot growing on as it did before it."""
    at, order = knots(distance), np.argsort(distance)
    groups = np.array_split(order, KNOTS)
    fitted = [calibration.temperature(logits[g], target[g]) / temperature for g in groups]
    factor = np.maximum.accumulate(np.maximum(fitted, 1.0))
    return extended(at, factor)


def extended(at, factor):
    """A curve with one more knot, at twice the last distance, on the line of the last half."""
    half = KNOTS // 2
    slope = max(0.0, float(np.polyfit(at[half:], factor[half:], 1)[0]))
    last = min(WIDEST, factor[-1] + slope * at[-1])
    return {
        "distance": [round(float(x), 4) for x in (*at, 2 * at[-1])],
        "factor": [round(float(x), 4) for x in (*factor, last)],
    }


def factors(curve, distance):
    """The factor of each distance, by linear interpolation; constant outside the knots."""
    return np.interp(distance, curve["distance"], curve["factor"])
