#!/usr/bin/env python3
"""Writes the result tables of README.md and docs/ from weights/results.json and
weights/precision.json.

    python3 tools/docs/accuracy_tables.py              writes them
    python3 tools/docs/accuracy_tables.py --check      fails if one is out of date

A table is written wherever a page has the lines `<!-- table: NAME -->` and `<!-- end -->`; `TABLES`
has the names. Every table must be on at least one page. Needs Python alone.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROTOCOLS = {
    "fold_clip": "random clips (speaker-dependent)",
    "fold_actor": "**unseen speakers (speaker-independent)**",
    "fold_sentence": "unseen sentences",
}
REFERENCES = [  # PERSONA's table 1, and baselines without a network
    (
        "paper (PERSONA, table 1), x-vector-CNN",
        "random clips (speaker-dependent)",
        "65.61",
        "98.52",
        "8.66",
    ),
    ("paper, x-vector-FCN", "random clips (speaker-dependent)", "64.12", "97.38", "8.17"),
    (
        "paper, MFCC-FCN · MFCC-CNN",
        "random clips (speaker-dependent)",
        "47.28 · 43.92",
        "94.02 · 92.55",
        "7.27 · 8.85",
    ),
    ("human raters (majority); age: always the mean", "–", "45.6", "–", "13.2"),
]


def shown(measure, digits=1):
    return f"{measure['mean']:.{digits}f} ± {measure['std']:.{digits}f}"


def table(*rows):
    head, *rest = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rest))


def models(results):
    """The default first, then by emotion accuracy on unseen speakers."""
    accuracy_of = {}
    for row in results["rows"]:
        if row["protocol"] == "fold_actor":
            accuracy_of[row["system"]] = row["emotion_accuracy"]["mean"]
    names = dict.fromkeys(row["system"] for row in results["rows"])
    return sorted(names, key=lambda name: (name != results["default"], -accuracy_of.get(name, 0.0)))


def rows_of(results, model, protocol):
    return [r for r in results["rows"] if (r["system"], r["protocol"]) == (model, protocol)]


def accuracy(results):
    """Every model and protocol, followed by the paper's."""
    lines = [("model", "protocol", "emotion %", "gender %", "age RMSE (MAE), years")]
    for name in models(results):
        label = f"**{name}** (the default)" if name == results["default"] else name
        for protocol, words in PROTOCOLS.items():
            for row in rows_of(results, name, protocol):
                age = f"{shown(row['age_rmse'])} ({row['age_mae']['mean']:.1f})"
                emotion, gender = shown(row["emotion_accuracy"]), shown(row["gender_accuracy"])
                lines.append((label, words, emotion, gender, age))
    return table(*lines, *REFERENCES)


def conditions(results):
    """The default model under channel conditions, on unseen speakers."""
    (row,) = rows_of(results, results["default"], "fold_actor")
    lines = [("16 kHz clip …", "emotion %", "gender %", "age RMSE, years")]
    for name, scores in {"as recorded": row, **row["lines"]}.items():
        cells = [shown(scores[key]) for key in ("emotion_accuracy", "gender_accuracy", "age_rmse")]
        lines.append((name, *cells))
    return table(*lines)


def other_studios(results):
    """Every model that was measured on recordings of other studios."""
    head = (
        "model",
        "recordings",
        "emotion %",
        "UAR",
        "UAR among the corpus's emotions",
        "recall: " + " · ".join(EMOTIONS.values()),
        "ECE",
        "gender %",
        "reported as familiar, %",
        "AUC of the distance",
    )
    lines = [head]
    for name in models(results):
        for protocol, words in CORPORA.items():
            for row in rows_of(results, name, protocol):
                recall = " · ".join(
                    f"{row['recall'][key]:.0f}" if key in row["recall"] else "–" for key in EMOTIONS
                )
                lines.append(
                    (
                        name,
                        words,
                        shown(row["emotion_accuracy"]),
                        shown(row["emotion_uar"]),
                        shown(row["emotion_uar_among_its_own"]),
                        recall,
                        shown(row["emotion_ece"], 2),
                        shown(row["gender_accuracy"]),
                        f"{row['familiar']['mean']:.0f}",
                        f"{row['domain_auc']['mean']:.3f}",
                    )
                )
    return table(*lines)


def baseline(results):
    """Emotion of unseen speakers without and with a baseline, of every model that has one."""
    lines = [("model", "emotion %, first clip", "emotion %, ten other clips known")]
    for name in models(results):
        for row in rows_of(results, name, "fold_actor"):
            if "baseline_10" in row:
                known = row["baseline_10"]["emotion_accuracy"]
                lines.append((name, shown(row["emotion_accuracy"]), shown(known)))
    return table(*lines)


def precision(compared):
    """f32 and int8 side by side."""
    columns = ["emotion % f32 · int8", "gender % f32 · int8", "age RMSE f32 · int8, years"]
    lines = [("model", "protocol", *columns, "change: emotion, gender, age")]
    for row in compared["rows"]:
        scores = [row[name] for name in ("emotion_accuracy", "gender_accuracy", "age_rmse")]
        cells = [f"{score['f32']:.2f} · {score['int8']:.2f}" for score in scores]
        # + 0.0 turns -0.0 into 0.0
        changes = ", ".join(f"{round(score['change'], 2) + 0.0:+.2f}" for score in scores)
        lines.append((row["system"], PROTOCOLS[row["protocol"]], *cells, changes))
    return table(*lines)


CORPORA = {
    "world_ravdess": "RAVDESS, actors 1–12 (English, studio; calm = neutral)",
    "world_urdu": "URDU (talk shows, 4 emotions)",
}
EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
TABLES = {  # name: (source in weights/, function)
    "accuracy": ("results.json", accuracy),
    "channels": ("results.json", conditions),
    "baseline": ("results.json", baseline),
    "other_studios": ("results.json", other_studios),
    "precision": ("precision.json", precision),
}
PLACE = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page, text, used):
    """A page's text with every table written anew; adds their names to `used`."""

    def fill(place):
        name = place[2]
        if name not in TABLES:
            sys.exit(f"{page}: unknown table `{name}`; available: {', '.join(TABLES)}")
        used.add(name)
        source, make = TABLES[name]
        content = make(json.loads((ROOT / "weights" / source).read_text()))
        return f"{place[1]}{content}\n{place[3]}"

    return PLACE.sub(fill, text)


def main():
    used, check = set(), "--check" in sys.argv[1:]
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text, page = path.read_text(), path.relative_to(ROOT)
        wanted = filled(page, text, used)
        if wanted != text and check:
            sys.exit(f"{page}: a table is out of date; run python3 tools/docs/accuracy_tables.py")
        if wanted != text:
            path.write_text(wanted)
            print(f"wrote {page}")
    missing = [name for name in TABLES if name not in used]
    if missing:
        sys.exit(f"no page has the table {', '.join(missing)} (<!-- table: NAME -->)")


if __name__ == "__main__":
    main()
