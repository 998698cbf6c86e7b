"""Evaluation on recordings of other studios (`clips.csv`: file, corpus, speaker, emotion, intensity,
sex), and on the corpus's clips with a speaker's baseline and under channel conditions. No label of
another studio trains anything."""

import csv

import numpy as np
import torch

from . import (
    calibration,
    channel_conditions,
    crema_d,
    cross_validation,
    domain,
    robust_inputs,
)

BASELINE_CLIPS = 10
LABELS = {"anger": 0, "disgust": 1, "fear": 2, "happiness": 3, "neutral": 4, "calm": 4, "sadness": 5}


def rows(folder):
    with (folder / "clips.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def speaker_numbers(names):
    known = sorted(set(names))
    return torch.tensor([known.index(name) for name in names])


def fold_arrays(run, inputs, clips, train, test):
    """What a fold's model predicts besides the clean clips: {name: array}. Also the distances to the
    domain of its training clips."""
    space = domain.Domain(inputs.clean(torch.as_tensor(train)))
    actors = speaker_numbers(clips.column("actor")[test].tolist())
    clean = inputs.clean(test)
    arrays = {"distance": space.distance(clean)}
    arrays["emotion_baseline"] = run.predict(clean, actors, BASELINE_CLIPS)["emotion"]
    for number in range(1, len(robust_inputs.VERSIONS)):
        x = inputs.version(number, test)
        have = inputs.have(number)[test]
        arrays["varied_index"] = torch.as_tensor(test)[have]
        arrays["varied_distance"] = space.distance(x[have])
        arrays |= {f"varied_{k}": v for k, v in run.predict(x[have]).items()}
    if len(inputs.own):
        arrays |= {f"world_{key}": value for key, value in run.predict(inputs.world()).items()}
        arrays["world_distance"] = space.distance(inputs.world())
        arrays["world_own"] = inputs.own
    have = inputs.have_lines()[test]
    if have.any():
        out = run.predict(inputs.lines(test))
        arrays |= {f"{key}_conditions": value[:, None] for key, value in out.items()}
        lines = torch.tensor([channel_conditions.of_clip(i) for i in test])
        arrays["conditions"] = torch.where(have, lines, -1)[:, None]
    return {key: np.asarray(value) for key, value in arrays.items()}


def of_clips(fold, fitted, own, count):
    """Probabilities, years and distance of whole recordings [count]: means over their chunks,
    weighted by the samples that are new in each."""
    weights = own[:, 1].astype(float)
    factor = domain.factors(fitted["domain"]["temperature"], fold["world_distance"])
    found = {}
    for head in ("emotion", "gender"):
        divisor = fitted[head] * (factor[:, None] if head == "emotion" else 1.0)
        found[head] = torch.softmax(torch.tensor(fold[f"world_{head}"] / divisor), 1).numpy()
    found["years"], found["distance"] = fold["world_years"][:, None], fold["world_distance"][:, None]
    means = {}
    for key, values in found.items():
        total = np.zeros((count, values.shape[1]))
        np.add.at(total, own[:, 0], values * weights[:, None])
        means[key] = total / np.bincount(own[:, 0], weights, count)[:, None]
    return means


def fit(folds, clips):
    """`cross_validation.fit` and the manifest's `domain`."""
    fitted = cross_validation.fit(folds, clips)
    distance = np.concatenate([fold["distance"] for fold in folds])
    familiar = round(float(np.quantile(distance, domain.QUANTILE)), 4)
    curve = domain.temperature_factors(fitted["emotion"], familiar)
    fitted["domain"] = {"familiar_below": familiar, "temperature": curve}
    return fitted


def measured(probabilities, truth):
    """Accuracy, UAR, ECE and the recall of each emotion, percent but for the ECE."""
    label, confidence = probabilities.argmax(1), probabilities.max(1)
    recalls = {
        crema_d.EMOTIONS[c]: 100 * float((label[truth == c] == c).mean()) for c in np.unique(truth)
    }
    ece = calibration.expected_calibration_error(confidence, label == truth)
    figures = {
        "emotion_accuracy": 100 * float((label == truth).mean()),
        "emotion_uar": float(np.mean(list(recalls.values()))),
        "emotion_ece": ece,
    }
    return figures, recalls


def auc(low, high):
    """Probability that a value of `high` exceeds one of `low`."""
    order = np.concatenate([low, high]).argsort().argsort() + 1
    return float((order[len(low) :].sum() - len(high) * (len(high) + 1) / 2) / len(low) / len(high))


def result_rows(name, folds, clips, folder):
    """Rows of results.json, `world_…`, for each corpus of the folder: the mean over the models of
    the folds."""
    if folder is None or "world_emotion" not in folds[0]:
        return []
    table, found = rows(folder), []
    label = np.array([LABELS.get(row["emotion"], -1) for row in table])
    sex = np.array([crema_d.SEXES.index(row["sex"]) for row in table])
    for corpus in sorted({row["corpus"] for row in table}):
        inside = np.array([row["corpus"] == corpus for row in table])
        used, each, recalls = inside & (label >= 0), [], []
        for k, fold in enumerate(folds):
            fitted = fit([f for j, f in enumerate(folds) if j != k], clips)
            means = of_clips(fold, fitted, fold["world_own"], len(table))
            figures, recall = measured(means["emotion"][used], label[used])
            classes = np.unique(label[used])
            among = means["emotion"][used][:, classes]
            right = classes[among.argmax(1)] == label[used]
            of_classes = [right[label[used] == c].mean() for c in classes]
            gender = means["gender"].argmax(1) == sex
            distance = means["distance"][:, 0]
            familiar = distance[inside] < fitted["domain"]["familiar_below"]
            each.append(
                {
                    "fold": k,
                    "clips": int(used.sum()),
                    **figures,
                    "emotion_uar_among_its_own": 100 * float(np.mean(of_classes)),
                    "gender_accuracy": 100 * float(gender[inside].mean()),
                    "familiar": 100 * float(familiar.mean()),
                    "domain_auc": auc(fold["distance"], distance[inside]),
                }
            )
            recalls.append(recall)
        row = {"system": name, "protocol": f"world_{corpus}", "folds": len(folds)}
        for key in each[0]:
            if key not in ("fold", "clips"):
                values = np.array([one[key] for one in each])
                row[key] = {"mean": round(values.mean(), 4), "std": round(values.std(ddof=1), 4)}
        row["recall"] = {
            c: round(float(np.mean([one[c] for one in recalls])), 1) for c in recalls[0]
        }
        row["clips"] = each[0]["clips"]
        found.append(row)
    return found


def baseline_row(folds, clips):
    """Emotion accuracy on unseen actors with a baseline of ten other clips: mean and spread."""
    values = []
    for fold in folds:
        truth = clips.emotion[torch.tensor(fold["index"])].numpy()
        values.append(100 * (fold["emotion_baseline"].argmax(1) == truth).mean())
    return {"mean": round(float(np.mean(values)), 4), "std": round(float(np.std(values, ddof=1)), 4)}
