"""What the tables report, from predictions: accuracy, UAR, RMSE, MAE, also by sex and by age band."""
import numpy as np

AGE_BANDS = [(20, 29), (30, 39), (40, 49), (50, 59), (60, 74)]


def measure(emotion, sex, age, want_emotion, want_sex, want_age):
    """Percent and years. `emotion` and `sex` are class indices, `age` years."""
    right = emotion == want_emotion
    recalls = [right[want_emotion == c].mean() for c in np.unique(want_emotion)]
    figures = {
        "clips": len(age),
        "emotion_accuracy": 100 * right.mean(),
        "emotion_uar": 100 * np.mean(recalls),
        "gender_accuracy": 100 * (sex == want_sex).mean(),
        "age_rmse": np.sqrt(np.mean((age - want_age) ** 2)),
        "age_mae": np.mean(np.abs(age - want_age)),
        "age_bias": np.mean(age - want_age),
    }
    return {key: value if key == "clips" else float(value) for key, value in figures.items()}


def by_group(predictions):
    """The same measures within each sex and each age band. `predictions` maps the arguments of `measure` to arrays."""
    groups = {name: predictions["want_sex"] == k for k, name in enumerate(["female", "male"])}
    for low, high in AGE_BANDS:
        groups[f"age {low}-{high}"] = (predictions["want_age"] >= low) & (predictions["want_age"] <= high)
    return {
        name: measure(**{key: value[inside] for key, value in predictions.items()})
        for name, inside in groups.items()
        if inside.any()
    }


MEASURES = (
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


def over_folds(scores):
    """Mean and sample standard deviation over folds of every measure that they have."""
    row = {}
    for key in MEASURES:
        values = np.array([s[key] for s in scores if key in s])
        if len(values):
            spread = values.std(ddof=1) if len(values) > 1 else 0.0
            row[key] = {"mean": round(values.mean(), 4), "std": round(spread, 4)}
    return row


def equal_error_rate(vectors, who):
    """Percent: where as many pairs of one speaker are refused as pairs of two are taken, by the cosine of `vectors` [stretches, dim]."""
    unit = np.asarray(vectors) / np.linalg.norm(vectors, axis=1, keepdims=True)
    first, second = np.triu_indices(len(unit), 1)
    likeness, same = (unit @ unit.T)[first, second], np.asarray(who)[first] == np.asarray(who)[second]
    order = np.argsort(likeness)
    refused, taken = np.cumsum(same[order]) / same.sum(), 1 - np.cumsum(~same[order]) / (~same).sum()
    at = np.argmin(np.abs(refused - taken))
    return float(50 * (refused[at] + taken[at]))
