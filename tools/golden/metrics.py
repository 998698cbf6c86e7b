#!/usr/bin/env python3
"""Golden values of the evaluation's metrics: writes tests/golden/metrics.json.

    python tools/golden/metrics.py        (bit-identical with the same versions)

The metrics of 150 synthetic clips of 11 speakers with predictions of every kind (six emotions, ages
with intervals, equal confidences, a true label of probability 0), computed by scikit-learn and
numpy. The 95 % intervals come from drawing the speakers' clips 200 times with the generator of
src/eval/bootstrap.rs (SplitMix64, multiply and shift).

Needs numpy 2.4.6 and scikit-learn 1.9.1.
"""

import json
import pathlib
import warnings

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
)

CLIPS, SPEAKERS, CLASSES, BINS, DRAWS, SEED, FLOOR = 150, 11, 6, 15, 200, 20261123, 5e-7
MASK = (1 << 64) - 1


class SplitMix64:
    """Steele, Lea, Flood 2014."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return ((z ^ (z >> 31)) * n) >> 64


def clips():
    rng = np.random.default_rng(SEED)
    speaker = np.sort(rng.integers(0, SPEAKERS, CLIPS))
    truth = rng.choice(CLASSES, CLIPS, p=[0.3, 0.2, 0.2, 0.15, 0.1, 0.05])
    logits = rng.normal(0, 1.5, (CLIPS, CLASSES))
    logits[np.arange(CLIPS), truth] += rng.normal(1.2, 1.0, CLIPS)
    p = np.exp(logits)
    p = np.round(p / p.sum(1, keepdims=True), 4)
    p[10:40] = p[50:80]  # equal confidences, some right and some wrong
    p[3] = [0.9, 0.1, 0, 0, 0, 0]
    truth[3] = 4
    p[:, -1] = np.abs(np.round(1 - p[:, :-1].sum(1), 4))
    age = np.round(rng.uniform(18, 80, CLIPS), 0)
    years = np.round(0.5 * age + 18 + rng.normal(0, 8, CLIPS) + 2 * (speaker % 3), 1)
    low, high = (
        np.round(years - rng.uniform(5, 15, CLIPS), 1),
        np.round(years + rng.uniform(5, 15, CLIPS), 1),
    )
    return speaker, truth, p, age, years, low, high


def ece(right, confidence):
    edges = np.linspace(0, 1, BINS + 1)
    bins = np.clip(np.digitize(confidence, edges, right=True), 1, BINS)
    gaps = [
        abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).sum()
        for b in np.unique(bins)
    ]
    return sum(gaps) / len(right)


def aurc(right, confidence):
    """Area under the risk-coverage curve; errors are linear within clips of equal confidence."""
    levels = np.unique(confidence)[::-1]
    ends = [0] + [int((confidence >= level).sum()) for level in levels]
    errors = [0] + [int((~right)[confidence >= level].sum()) for level in levels]
    k = np.arange(1, len(right) + 1)
    return float(np.mean(np.interp(k, ends, errors) / k))


def class_measures(truth, p):
    predicted, confidence = p.argmax(1), p.max(1)
    right = predicted == truth
    likelihood = np.maximum(p[np.arange(len(truth)), truth], FLOOR)
    nll = float(-np.log(likelihood).mean())
    if likelihood.min() > FLOOR:
        assert abs(nll - log_loss(truth, p, labels=range(CLASSES))) < 1e-3
    labels = np.union1d(truth, predicted)
    return [
        accuracy_score(truth, predicted),
        balanced_accuracy_score(truth, predicted),
        f1_score(truth, predicted, average="macro", labels=labels, zero_division=0),
        nll,
        ece(right, confidence),
        aurc(right, confidence),
    ]


def age_measures(age, years, low, high):
    return [
        mean_squared_error(age, years) ** 0.5,
        mean_absolute_error(age, years),
        float((years - age).mean()),
        float(np.corrcoef(age, years)[0, 1]),
        float(((low <= age) & (age <= high)).mean()),
        float((high - low).mean()),
    ]


def with_intervals(names, measure, speaker, columns):
    random, replicates = SplitMix64(SEED), []
    for _ in range(DRAWS):
        drawn = [random.below(SPEAKERS) for _ in range(SPEAKERS)]
        rows = np.concatenate([np.flatnonzero(speaker == s) for s in drawn])
        replicates.append(measure(*[column[rows] for column in columns]))
    low, high = np.percentile(replicates, [2.5, 97.5], axis=0)
    value = measure(*columns)
    return {
        name: [float(v), float(a), float(b)]
        for name, v, a, b in zip(names, value, low, high, strict=False)
    }


def main():
    warnings.simplefilter("ignore")  # draws without a predicted label
    speaker, truth, p, age, years, low, high = clips()
    assert len(np.unique(speaker)) == SPEAKERS
    golden = {
        "made_by": f"tools/golden/metrics.py, numpy {np.__version__}, scikit-learn",
        "draws": DRAWS,
        "seed": SEED,
        "clips": [
            {
                "speaker": int(s),
                "truth": int(t),
                "probabilities": row.tolist(),
                "age": a,
                "years": y,
                "low": lo,
                "high": hi,
            }
            for s, t, row, a, y, lo, hi in zip(
                speaker, truth, p, age, years, low, high, strict=False
            )
        ],
        "classes": with_intervals(
            ["accuracy", "uar", "macro_f1", "nll", "ece", "aurc"],
            class_measures,
            speaker,
            [truth, p],
        ),
        "ages": with_intervals(
            ["rmse", "mae", "bias", "correlation", "interval_coverage", "interval_width"],
            age_measures,
            speaker,
            [age, years, low, high],
        ),
    }
    path = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/metrics.json"
    path.write_text(
        json.dumps(golden, indent=None, separators=(",", ":")).replace("},{", "},\n{") + "\n"
    )
    print(path, {**golden["classes"], **golden["ages"]})


if __name__ == "__main__":
    main()
