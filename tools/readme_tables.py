#!/usr/bin/env python3
"""Writes the accuracy tables of README.md and docs/speed.md from weights/results.json and weights/precision.json, each between
`<!-- table: NAME -->` and `<!-- end -->`.

    python3 tools/readme_tables.py              writes them
    python3 tools/readme_tables.py --check      fails where one is not as it would be written

Needs Python alone.
"""
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOCOLS = {"fold_clip": "clips at random", "fold_actor": "**voices not heard before**", "fold_sentence": "sentences not heard before"}
ELSEWHERE = [  # of PERSONA's table 1, and what needs no network
    ("paper (PERSONA, table 1), x-vector-CNN", "clips at random", "65.61", "98.52", "8.66"),
    ("paper, x-vector-FCN", "clips at random", "64.12", "97.38", "8.17"),
    ("paper, MFCC-FCN · MFCC-CNN", "clips at random", "47.28 · 43.92", "94.02 · 92.55", "7.27 · 8.85"),
    ("people: majority of listeners; age: always saying the mean", "–", "45.6", "–", "13.2"),
]


def shown(measure, digits=1):
    return f"{measure['mean']:.{digits}f} ± {measure['std']:.{digits}f}"


def table(*rows):
    head, *rest = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rest))


def systems(results):
    """The default first, then by emotion on unknown voices."""
    worth = {row["system"]: row["emotion_accuracy"]["mean"] for row in results["rows"] if row["protocol"] == "fold_actor"}
    names = dict.fromkeys(row["system"] for row in results["rows"])
    return sorted(names, key=lambda name: (name != results["default"], -worth.get(name, 0.0)))


def accuracy(results):
    """Every system and protocol beside the paper's."""
    lines = [("system", "protocol", "emotion %", "gender %", "age RMSE (MAE), years")]
    for name in systems(results):
        for protocol, words in PROTOCOLS.items():
            for row in (r for r in results["rows"] if (r["system"], r["protocol"]) == (name, protocol)):
                age = f"{shown(row['age_rmse'])} ({row['age_mae']['mean']:.1f})"
                label = f"**{name}** (the default)" if name == results["default"] else name
                lines.append((label, words, shown(row["emotion_accuracy"]), shown(row["gender_accuracy"]), age))
    return table(*lines, *ELSEWHERE)


def lines(results):
    """The default system through lines, codecs and noise, on voices not heard before."""
    (row,) = (r for r in results["rows"] if (r["system"], r["protocol"]) == (results["default"], "fold_actor"))
    heard = {"as recorded": row, **row["lines"]}
    cells = lambda r: (shown(r["emotion_accuracy"]), shown(r["gender_accuracy"]), shown(r["age_rmse"]))
    return table(("16 kHz clip …", "emotion %", "gender %", "age RMSE, years"), *((name, *cells(r)) for name, r in heard.items()))


def precision(compared):
    """f32 and int8 beside one another."""
    lines = [("system", "protocol", "emotion % f32 · int8", "gender % f32 · int8", "age RMSE f32 · int8, years", "change: emotion, gender, age")]
    for row in compared["rows"]:
        measures = [row[name] for name in ("emotion_accuracy", "gender_accuracy", "age_rmse")]
        cells = [f"{m['f32']:.2f} · {m['int8']:.2f}" for m in measures]
        lines.append((row["system"], PROTOCOLS[row["protocol"]], *cells, ", ".join(f"{round(m['change'], 2) + 0.0:+.2f}" for m in measures)))
    return table(*lines)


TABLES = [  # (where it stands, its name, from what, by what)
    ("README.md", "accuracy", "results.json", accuracy),
    ("README.md", "lines", "results.json", lines),
    ("docs/speed.md", "precision", "precision.json", precision),
]


def filled(text, name, content):
    """A page's text with a table written anew."""
    place = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    text, count = place.subn(lambda found: found[1] + content + "\n" + found[2], text)
    if count != 1:
        sys.exit(f"there are {count} places for the table `{name}`, not one")
    return text


def main():
    for page, name, source, make in TABLES:
        path = ROOT / page
        text = path.read_text()
        wanted = filled(text, name, make(json.loads((ROOT / "weights" / source).read_text())))
        if wanted != text and "--check" in sys.argv[1:]:
            sys.exit(f"{page}: the table `{name}` is not that of weights/{source}. Run python3 tools/readme_tables.py")
        path.write_text(wanted)


if __name__ == "__main__":
    main()
