#!/usr/bin/env python3
"""Gender on real recordings, one a speaker: LibriSpeech, through the program.

    check_librispeech.py PERSONA_ENGINE FOLDER [--model NAME] [--beside int8]

With --beside the same recordings are answered in that precision too, and it is told how far the answers are apart.

FOLDER holds librispeech.csv (file, speaker, sex) and the recordings that it names. Needs ffmpeg. "held back" are the speakers that the shipped systems were not
trained on (every fifth; tools/persona/outside.py says the same); the others lent their voices, though not these whole recordings' answers, to the training.
"""
import argparse
import collections
import csv
import json
import pathlib
import statistics
import subprocess
import tempfile


def converted(folder, rows, place):
    wavs = [str(pathlib.Path(place) / f"{row['speaker']}.wav") for row in rows]
    for row, wav in zip(rows, wavs):
        subprocess.run(["ffmpeg", "-v", "error", "-i", folder / row["file"], "-ar", "16000", wav], check=True)
    return wavs


def answers(program, wavs, *options):
    out = subprocess.run([program, "infer", "--json", "--quiet", *options, *wavs], check=True, capture_output=True, text=True)
    return [json.loads(line) for line in out.stdout.splitlines()]


def compare(said, beside):
    """Prints labels that change, probabilities and ages of two lists of answers to the same recordings."""
    both = [(a, b) for a, b in zip(said, beside) if a["no_answer"] is None and b["no_answer"] is None]
    for head in ("emotion", "gender"):
        kept = sum(a[head]["label"] == b[head]["label"] for a, b in both)
        print(f"beside: {head} the same for {kept} of {len(both)}")
    moves = []
    for a, b in both:
        changes = [abs(p - b[head]["probabilities"][label]) for head in ("emotion", "gender") for label, p in a[head]["probabilities"].items()]
        moves.append(max(changes))
    years = [b["age"]["years"] - a["age"]["years"] for a, b in both]
    print(f"beside: largest change of a probability {statistics.median(moves):.3f} in the median, {max(moves):.3f} at most")
    print(f"beside: age {statistics.mean(years):+.2f} years in the mean, {statistics.mean(map(abs, years)):.2f} in mean size")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("program")
    ap.add_argument("folder", type=pathlib.Path)
    ap.add_argument("--model")
    ap.add_argument("--beside", choices=["f32", "int8"])
    args = ap.parse_args()
    rows = list(csv.DictReader(open(args.folder / "librispeech.csv", newline="")))
    held_back = set(sorted({row["speaker"] for row in rows}, key=int)[::5][:50])
    model = ["--model", args.model] if args.model else []
    with tempfile.TemporaryDirectory() as place:
        wavs = converted(args.folder, rows, place)
        said = answers(args.program, wavs, *model)
        if args.beside:
            compare(said, answers(args.program, wavs, *model, "--precision", args.beside))
    for group, inside in [
        ("all", lambda row: True),
        ("held back", lambda row: row["speaker"] in held_back),
        ("female", lambda row: row["sex"] == "female"),
        ("male", lambda row: row["sex"] == "male"),
    ]:
        pairs = [(row, answer) for row, answer in zip(rows, said) if inside(row)]
        right = sum(answer["gender"] is not None and answer["gender"]["label"] == row["sex"] for row, answer in pairs)
        print(f"{group:<10}{right:>5} of {len(pairs):>4}  {100 * right / len(pairs):.1f} %")
    label = lambda answer: answer["emotion"]["label"] if answer["emotion"] else "no answer"
    print("emotion:", dict(collections.Counter(map(label, said)).most_common()))


if __name__ == "__main__":
    main()
