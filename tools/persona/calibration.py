"""Calibration: softmax temperatures and age intervals, fitted to predictions on held-out clips."""

import numpy as np
import torch
from torch.nn import functional as F

COVERAGE = 0.8
KNOT_QUANTILES = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)  # of the predicted ages
NEIGHBOURS = 0.2  # share of the clips that determine the interval at one knot


def temperature(logits, target):
    """Temperature that maximises the log-likelihood of `target` under softmax(logits / t), for
    logits [clips, classes] (Guo et al. 2017)."""
    grid = torch.logspace(-1.0, 1.0, 401)
    losses = torch.stack([F.cross_entropy(logits / t, target) for t in grid])
    return round(float(grid[losses.argmin()]), 4)


def interval(years, target, coverage=COVERAGE):
    """Age interval that contains the true age with probability `coverage`, piecewise linear in the
    predicted age.

    At each knot, quantiles of the error among the neighbouring predictions; then both ends are
    widened or narrowed by one number of years so that the coverage holds over all clips (split
    conformal prediction; Romano, Patterson, Candès 2019)."""
    years = np.asarray(years, float)
    error = np.asarray(target, float) - years
    knots = np.quantile(years, KNOT_QUANTILES)
    order, count = np.argsort(years), int(len(years) * NEIGHBOURS)
    low, high = [], []
    for knot in knots:
        middle = np.searchsorted(years[order], knot)
        first = np.clip(middle - count // 2, 0, len(years) - count)
        near = error[order[first : first + count]]
        low.append(knot + np.quantile(near, (1 - coverage) / 2))
        high.append(knot + np.quantile(near, (1 + coverage) / 2))
    below, above = np.interp(years, knots, low) - target, target - np.interp(years, knots, high)
    margin = np.quantile(np.maximum(below, above), coverage)
    low, high = np.array(low) - margin, np.maximum(np.array(high) + margin, np.array(low) - margin)

    def rounded(values):
        return [round(float(x), 2) for x in np.clip(values, 0, 150)]

    return {
        "coverage": coverage,
        "knots_years": rounded(knots),
        "low_years": rounded(low),
        "high_years": rounded(high),
    }


def balanced_interval(years, target, bands, coverage=COVERAGE, rounds=300):
    """Age interval that contains the true age with probability `coverage` in every band of true
    ages [(first, last)], piecewise linear in the predicted age.

    At each knot weighted quantiles of the true age among the neighbouring predictions. The weights
    are one number per band, raised where the coverage is too low and lowered where it is too high
    (multiplicative weights). Where predictions tell little of the age, the interval is wide."""
    years, target = np.asarray(years, float), np.asarray(target, float)
    band_of = np.array([next(k for k, b in enumerate(bands) if t <= b[1]) for t in target])
    counts = np.bincount(band_of, minlength=len(bands))
    knots = np.quantile(years, KNOT_QUANTILES)
    order, count = np.argsort(years), int(len(years) * NEIGHBOURS)
    near = []
    for knot in knots:
        first = np.clip(np.searchsorted(years[order], knot) - count // 2, 0, len(years) - count)
        clips = order[first : first + count]
        near.append(clips[np.argsort(target[clips])])
    weight, best = 1.0 / np.maximum(counts, 1), (np.inf, None)
    for step in range(rounds):
        low, high = np.zeros(len(knots)), np.zeros(len(knots))
        for k, clips in enumerate(near):
            total = np.cumsum(weight[band_of[clips]])
            at = np.searchsorted(total, total[-1] * np.array([1 - coverage, 1 + coverage]) / 2)
            low[k], high[k] = target[clips[at]]
        fitted = {
            "coverage": coverage,
            "knots_years": [round(float(x), 2) for x in knots],
            "low_years": [round(float(x), 2) for x in low],
            "high_years": [round(float(x), 2) for x in high],
        }
        inside, _ = covered(fitted, years, target)
        share = np.array([inside[band_of == k].mean() if counts[k] else coverage for k in range(len(bands))])
        worst = np.abs(share - coverage).max()
        if worst < best[0]:
            best = worst, fitted
        weight *= np.exp((coverage - share) * 2.0 / np.sqrt(1 + step / 10))
    return best[1]


def covered(fitted, years, target):
    """(bool [clips], width in years [clips]) of an `interval`."""
    low, high = (
        np.interp(years, fitted["knots_years"], fitted[end]) for end in ("low_years", "high_years")
    )
    return (low <= target) & (target <= high), high - low


def expected_calibration_error(probability, correct, bins=15):
    """Σ (clips in bin / clips) · |accuracy − mean confidence| over equal bins of the confidence
    (Naeini et al. 2015)."""
    bin_of = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = []
    for b in np.unique(bin_of):
        inside = bin_of == b
        gaps.append(abs(correct[inside].mean() - probability[inside].mean()) * inside.mean())
    return float(np.sum(gaps))
