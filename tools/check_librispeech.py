#!/usr/bin/env python3
"""Gender on real recordings of voices that no training saw: LibriSpeech, one recording a speaker.

    check_librispeech.py PERSONA_ENGINE FOLDER

FOLDER holds librispeech.csv (file, speaker, sex) and the recordings that it names. Needs ffmpeg.
"""
import collections
import csv
import json
import pathlib
import subprocess
import sys
import tempfile


def main(program, folder):
    rows = list(csv.DictReader(open(folder / "librispeech.csv", newline="")))
    with tempfile.TemporaryDirectory() as place:
        wavs = [str(pathlib.Path(place) / f"{row['speaker']}.wav") for row in rows]
        for row, wav in zip(rows, wavs):
            subprocess.run(["ffmpeg", "-v", "error", "-i", folder / row["file"], "-ar", "16000", wav], check=True)
        out = subprocess.run([program, "infer", "--json", "--quiet", *wavs], check=True, capture_output=True, text=True)
    said = [json.loads(line) for line in out.stdout.splitlines()]
    right = collections.Counter(row["sex"] for row, answer in zip(rows, said) if answer["gender"]["label"] == row["sex"])
    of = collections.Counter(row["sex"] for row in rows)
    for sex in sorted(of):
        print(f"{sex:<8}{right[sex]:>5} of {of[sex]:>4}  {100 * right[sex] / of[sex]:.1f} %")
    print(f"{'all':<8}{right.total():>5} of {of.total():>4}  {100 * right.total() / of.total():.1f} %")
    print("emotion:", dict(collections.Counter(answer["emotion"]["label"] for answer in said).most_common()))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
