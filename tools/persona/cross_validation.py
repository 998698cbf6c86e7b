"""Cross-validation: the result rows of a model from its predictions on the folds' test clips.

A fold is a dict of arrays: `index` [clips], `emotion` and `gender` logits, `years`, and, where
the clips also have copies under channel conditions, `emotion_conditions`, `gender_conditions`,
`years_conditions` [clips, copies, …] and `conditions` [clips, copies]. The temperature and the
interval with which fold k is evaluated are fitted on the predictions for the other folds.
"""

import numpy as np
import torch

from . import calibration, metrics

HEADS = ("emotion", "gender", "years")


def labelled(predictions, clips, index):
    """The arguments of `metrics.measure` for predictions (logits and years) on some clips."""
    predictions = {head: torch.as_tensor(predictions[head]) for head in HEADS}
    index = torch.as_tensor(index)
    return {
        "emotion": predictions["emotion"].argmax(1).numpy(),
        "sex": predictions["gender"].argmax(1).numpy(),
        "age": predictions["years"].numpy(),
        "true_emotion": clips.emotion[index].numpy(),
        "true_sex": clips.sex[index].numpy(),
        "true_age": clips.age[index].numpy(),
    }


def fit(folds, clips):
    """Temperatures and age interval, fitted to the predictions of some folds."""
    index = torch.tensor(np.concatenate([fold["index"] for fold in folds]))
    joined = {head: torch.tensor(np.concatenate([fold[head] for fold in folds])) for head in HEADS}
    years, ages = joined["years"].numpy(), clips.age[index].numpy()
    if "distance" in folds[0]:  # of a robust model
        interval = calibration.balanced_interval(years, ages, metrics.AGE_BANDS)
    else:
        interval = calibration.interval(years, ages)
    return {
        "emotion": calibration.temperature(joined["emotion"], clips.emotion[index]),
        "gender": calibration.temperature(joined["gender"], clips.sex[index]),
        "interval": interval,
    }


def fit_without(folds, k, clips):
    """`fit` on all folds but fold k."""
    return fit([fold for j, fold in enumerate(folds) if j != k], clips)


def confidences(fold, fitted, clips):
    """{head: (confidence [clips], correct [clips])} of emotion and gender."""
    index, found = torch.tensor(fold["index"]), {}
    for head, target in (("emotion", clips.emotion), ("gender", clips.sex)):
        probability, label = torch.softmax(torch.tensor(fold[head]) / fitted[head], 1).max(1)
        found[head] = (probability.numpy(), (label == target[index]).numpy())
    return found


def calibration_metrics(fold, fitted, clips):
    """(calibration metrics of one fold, coverage of the age interval in percent by age band)."""
    figures = {
        f"{head}_ece": calibration.expected_calibration_error(*pair)
        for head, pair in confidences(fold, fitted, clips).items()
    }
    ages = clips.age[torch.tensor(fold["index"])].numpy()
    inside, width = calibration.covered(fitted["interval"], fold["years"], ages)
    figures |= {"age_coverage": 100 * inside.mean(), "age_interval_width": width.mean()}
    bands = {f"age {low}-{high}": (ages >= low) & (ages <= high) for low, high in metrics.AGE_BANDS}
    return figures, {name: 100 * inside[band].mean() for name, band in bands.items() if band.any()}


def pooled(folds, clips):
    """Calibration metrics over all folds' test clips together."""
    pairs, inside = {"emotion": [], "gender": []}, []
    for k, fold in enumerate(folds):
        fitted = fit_without(folds, k, clips)
        for head, pair in confidences(fold, fitted, clips).items():
            pairs[head].append(pair)
        ages = clips.age[torch.tensor(fold["index"])].numpy()
        inside.append(calibration.covered(fitted["interval"], fold["years"], ages)[0])

    def ece(head):
        probability, correct = (np.concatenate(part) for part in zip(*pairs[head], strict=True))
        return calibration.expected_calibration_error(probability, correct)

    return {
        "emotion_ece": ece("emotion"),
        "gender_ece": ece("gender"),
        "age_coverage": 100 * np.concatenate(inside).mean(),
    }


def by_condition(folds, clips, names):
    """{channel condition: mean and spread over folds} of the clips' copies under it."""
    table = {}
    for number, name in enumerate(names):
        each, count = [], 0
        for fold in folds:
            clip, copy = np.nonzero(fold["conditions"] == number)
            predictions = {head: fold[f"{head}_conditions"][clip, copy] for head in HEADS}
            each.append(metrics.measure(**labelled(predictions, clips, fold["index"][clip])))
            count += int((fold["conditions"] == number).sum())
        table[name] = {"clips": count, **metrics.over_folds(each)}
    return table


def rounded(value):
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    return round(float(value), 4) if isinstance(value, (float, np.floating)) else value


def result_row(name, protocol, folds, clips, conditions=()):
    """A row of results.json: mean and spread over folds, each fold, and the groups' means.

    `conditions` are the names of the channel conditions, by their numbers in the folds."""
    each = []
    for k, fold in enumerate(folds):
        found = labelled(fold, clips, fold["index"])
        figures, bands = calibration_metrics(fold, fit_without(folds, k, clips), clips)
        groups = metrics.by_group(found)
        for band, share in bands.items():
            groups[band]["age_coverage"] = share
        each.append({"fold": k, **metrics.measure(**found), **figures, "groups": groups})
    groups = {}
    for group in each[0]["groups"]:
        of_folds = [fold["groups"][group] for fold in each if group in fold["groups"]]
        groups[group] = metrics.over_folds(of_folds)
    row = {
        "system": name,
        "protocol": protocol,
        "folds": len(folds),
        **metrics.over_folds(each),
        "pooled": {key: rounded(value) for key, value in pooled(folds, clips).items()},
    }
    if conditions and "conditions" in folds[0]:
        row["lines"] = by_condition(folds, clips, conditions)
    per_fold = [{k: v for k, v in one.items() if k != "groups"} for one in each]
    return {**row, "per_fold": [rounded(one) for one in per_fold], "groups": groups}
