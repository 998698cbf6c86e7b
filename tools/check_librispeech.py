#!/usr/bin/env python3
"""Gender on real recordings, one a speaker: LibriSpeech, through the program.

    check_librispeech.py PERSONA_ENGINE FOLDER [--model NAME]

FOLDER holds librispeech.csv (file, speaker, sex) and the recordings that it names. Needs ffmpeg. "held back" are the speakers that the shipped systems were not
trained on (every fifth; tools/persona/outside.py says the same); the others lent their voices, though not these whole recordings' answers, to the training.
"""
import argparse
import collections
import csv
import json
import pathlib
import subprocess
import tempfile


def answers(program, folder, rows, model):
    with tempfile.TemporaryDirectory() as place:
        wavs = [str(pathlib.Path(place) / f"{row['speaker']}.wav") for row in rows]
        for row, wav in zip(rows, wavs):
            subprocess.run(["ffmpeg", "-v", "error", "-i", folder / row["file"], "-ar", "16000", wav], check=True)
        command = [program, "infer", "--json", "--quiet", *(["--model", model] if model else []), *wavs]
        out = subprocess.run(command, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in out.stdout.splitlines()]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("program")
    ap.add_argument("folder", type=pathlib.Path)
    ap.add_argument("--model")
    args = ap.parse_args()
    rows = list(csv.DictReader(open(args.folder / "librispeech.csv", newline="")))
    held_back = set(sorted({row["speaker"] for row in rows}, key=int)[::5][:50])
    said = answers(args.program, args.folder, rows, args.model)
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
