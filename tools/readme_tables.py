#!/usr/bin/env python3
"""Writes the accuracy tables of README.md from weights/results.json, each between `<!-- table: NAME -->` and `<!-- end -->`.

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


TABLES = {"accuracy": accuracy, "lines": lines}


def filled(text, results):
    """README's text with every table written anew."""
    for name, make in TABLES.items():
        place = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = place.subn(lambda found: found[1] + make(results) + "\n" + found[2], text)
        if count != 1:
            sys.exit(f"README.md has {count} places for the table `{name}`, not one")
    return text


def main():
    readme = ROOT / "README.md"
    results, text = json.loads((ROOT / "weights" / "results.json").read_text()), readme.read_text()
    wanted = filled(text, results)
    if wanted != text and "--check" in sys.argv[1:]:
        sys.exit("README.md's tables are not those of weights/results.json. Run python3 tools/readme_tables.py")
    readme.write_text(wanted)


if __name__ == "__main__":
    main()
