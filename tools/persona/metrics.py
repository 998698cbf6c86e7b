"""Metrics of the result tables: accuracy, UAR, RMSE and MAE, also by sex and by age band."""

import numpy as np

AGE_BANDS = [(20, 29), (30, 39), (40, 49), (50, 59), (60, 74)]


def measure(emotion, sex, age, true_emotion, true_sex, true_age):
    """Metrics in percent and years. `emotion` and `sex` are class indices, `age` is in years."""
    correct = emotion == true_emotion
    recalls = [correct[true_emotion == c].mean() for c in np.unique(true_emotion)]
    figures = {
        "clips": len(age),
        "emotion_accuracy": 100 * correct.mean(),
        "emotion_uar": 100 * np.mean(recalls),
        "gender_accuracy": 100 * (sex == true_sex).mean(),
        "age_rmse": np.sqrt(np.mean((age - true_age) ** 2)),
        "age_mae": np.mean(np.abs(age - true_age)),
        "age_bias": np.mean(age - true_age),
    }
    return {key: value if key == "clips" else float(value) for key, value in figures.items()}


def by_group(predictions):
    """The same metrics within each sex and each age band. `predictions` maps the arguments of
    `measure` to arrays."""
    groups = {name: predictions["true_sex"] == k for k, name in enumerate(["female", "male"])}
    ages = predictions["true_age"]
    for low, high in AGE_BANDS:
        groups[f"age {low}-{high}"] = (ages >= low) & (ages <= high)
    return {
        name: measure(**{key: value[inside] for key, value in predictions.items()})
        for name, inside in groups.items()
        if inside.any()
    }


METRICS = (
    "emotion_accuracy",
    "emotion_uar",
    "gender_accuracy",
    "age_rmse",
    "age_mae",
    "age_bias",
    "emotion_ece",
    "gender_ece",
    "age_coverage",
    "age_interval_width",
)


def over_folds(folds):
    """Mean and sample standard deviation over folds of every metric that they contain."""
    row = {}
    for key in METRICS:
        values = np.array([fold[key] for fold in folds if key in fold])
        if len(values):
            spread = values.std(ddof=1) if len(values) > 1 else 0.0
            row[key] = {"mean": round(values.mean(), 4), "std": round(spread, 4)}
    return row


def equal_error_rate(vectors, speaker):
    """Equal error rate in percent of speaker verification by the cosine of all pairs of `vectors`
    [segments, dim]."""
    unit = np.asarray(vectors) / np.linalg.norm(vectors, axis=1, keepdims=True)
    first, second = np.triu_indices(len(unit), 1)
    cosine = (unit @ unit.T)[first, second]
    same = np.asarray(speaker)[first] == np.asarray(speaker)[second]
    order = np.argsort(cosine)
    false_rejection = np.cumsum(same[order]) / same.sum()
    false_acceptance = 1 - np.cumsum(~same[order]) / (~same).sum()
    at = np.argmin(np.abs(false_rejection - false_acceptance))
    return float(50 * (false_rejection[at] + false_acceptance[at]))
