"""How far the answers can be believed: temperatures, and intervals of age, from answers to clips that were not trained on."""
import numpy as np
import torch
from torch.nn import functional as F

COVERAGE = 0.8
PLACES = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)  # quantiles of the predictions where the lines meet
NEIGHBOURS = 0.2  # share of the clips that tell an end at one place


def temperature(logits, want):
    """The factor that logits [clips, classes] are divided by so that the log-likelihood of `want` is best (Guo et al. 2017)."""
    grid = torch.logspace(-1.0, 1.0, 401)
    losses = torch.stack([F.cross_entropy(logits / t, want) for t in grid])
    return round(float(grid[losses.argmin()]), 4)


def interval(years, want, coverage=COVERAGE):
    """Ends of the interval that holds the true age with the stated share, as straight lines over the predicted age: at each of some places
    of the predictions, quantiles of the error among its neighbours; then both ends are moved outwards or inwards
    by one number of years so that the share is met on all clips (split conformal prediction; Romano, Patterson, Candès 2019)."""
    years, error = np.asarray(years, float), np.asarray(want, float) - np.asarray(years, float)
    places = np.quantile(years, PLACES)
    order, reach = np.argsort(years), int(len(years) * NEIGHBOURS)
    low, high = [], []
    for place in places:
        first = np.clip(np.searchsorted(years[order], place) - reach // 2, 0, len(years) - reach)
        near = error[order[first : first + reach]]
        low.append(place + np.quantile(near, (1 - coverage) / 2))
        high.append(place + np.quantile(near, (1 + coverage) / 2))
    outside = np.maximum(np.interp(years, places, low) - want, want - np.interp(years, places, high))
    move = np.quantile(outside, coverage)
    ends = {"low_years": np.array(low) - move, "high_years": np.maximum(np.array(high) + move, np.array(low) - move)}
    rounded = lambda v: [round(float(x), 2) for x in np.clip(v, 0, 150)]
    return {"coverage": coverage, "knots_years": rounded(places), **{name: rounded(v) for name, v in ends.items()}}


def covered(recipe, years, want):
    """(bool [clips], width [clips]) of an `interval`."""
    low, high = (np.interp(years, recipe["knots_years"], recipe[end]) for end in ("low_years", "high_years"))
    return (low <= want) & (want <= high), high - low


def expected_calibration_error(probability, right, bins=15):
    """Σ share of the bin · |accuracy − mean confidence| over equal bins of the confidence (Naeini et al. 2015)."""
    which = np.minimum((probability * bins).astype(int), bins - 1)
    gap = [abs(right[which == b].mean() - probability[which == b].mean()) * (which == b).mean() for b in np.unique(which)]
    return float(np.sum(gap))
