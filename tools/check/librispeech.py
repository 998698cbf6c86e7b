#!/usr/bin/env python3
"""Checks gender and emotion on LibriSpeech, one recording per speaker.

    python3 tools/check/librispeech.py PERSONA_ENGINE FOLDER [--model NAME] [--beside int8]

FOLDER contains librispeech.csv (file, speaker, sex) and the recordings that it names. Prints the
share of correct genders and the emotion labels. With --beside the recordings are processed in that
precision too, and the differences are printed. "held out" are the speakers that the shipped models
were not trained on (every fifth; tools/persona/other_corpora.py has the same rule); the others were
used in training, though not with these whole recordings' predictions. Needs ffmpeg and Python
alone.
"""

import argparse
import collections
import csv
import json
import pathlib
import statistics
import subprocess
import tempfile


def converted(folder, rows, target):
    wavs = [str(pathlib.Path(target) / f"{row['speaker']}.wav") for row in rows]
    for row, wav in zip(rows, wavs, strict=True):
        source = folder / row["file"]
        command = ["ffmpeg", "-v", "error", "-i", source, "-ar", "16000", wav]
        subprocess.run(command, check=True)
    return wavs


def reports(program, wavs, *options):
    command = [program, "infer", "--json", "--quiet", *options, *wavs]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(found, other):
    """Prints the differences of labels, probabilities and ages between two lists of reports for
    the same recordings."""
    both = [
        (a, b)
        for a, b in zip(found, other, strict=True)
        if a["no_answer"] is None and b["no_answer"] is None
    ]
    for head in ("emotion", "gender"):
        equal = sum(a[head]["label"] == b[head]["label"] for a, b in both)
        print(f"comparison: {head} equal for {equal} of {len(both)}")
    largest = []
    for a, b in both:
        changes = [
            abs(p - b[head]["probabilities"][label])
            for head in ("emotion", "gender")
            for label, p in a[head]["probabilities"].items()
        ]
        largest.append(max(changes))
    years = [b["age"]["years"] - a["age"]["years"] for a, b in both]
    middle = statistics.median(largest)
    print(
        f"comparison: largest change of a probability, median {middle:.3f}, max {max(largest):.3f}"
    )
    absolute = statistics.mean(map(abs, years))
    print(
        f"comparison: age, mean change {statistics.mean(years):+.2f}, mean absolute {absolute:.2f}"
    )


def main():
    ap = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ap.add_argument("program")
    ap.add_argument("folder", type=pathlib.Path)
    ap.add_argument("--model")
    ap.add_argument("--beside", choices=["f32", "int8"], help="compare with this precision")
    args = ap.parse_args()
    with (args.folder / "librispeech.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    held_out = set(sorted({row["speaker"] for row in rows}, key=int)[::5][:50])
    model = ["--model", args.model] if args.model else []
    with tempfile.TemporaryDirectory() as target:
        wavs = converted(args.folder, rows, target)
        found = reports(args.program, wavs, *model)
        if args.beside:
            compare(found, reports(args.program, wavs, *model, "--precision", args.beside))
    groups = {
        "all": lambda row: True,
        "held out": lambda row: row["speaker"] in held_out,
        "female": lambda row: row["sex"] == "female",
        "male": lambda row: row["sex"] == "male",
    }
    for group, inside in groups.items():
        pairs = [(r, report) for r, report in zip(rows, found, strict=True) if inside(r)]
        right = sum(
            report["gender"] is not None and report["gender"]["label"] == row["sex"]
            for row, report in pairs
        )
        print(f"{group:<10}{right:>5} of {len(pairs):>4}  {100 * right / len(pairs):.1f} %")
    labels = [r["emotion"]["label"] if r["emotion"] else "no answer" for r in found]
    print("emotion:", dict(collections.Counter(labels).most_common()))


if __name__ == "__main__":
    main()
