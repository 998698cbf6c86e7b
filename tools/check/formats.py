#!/usr/bin/env python3
"""Compares predictions for the same recording in other audio formats.

    python3 tools/check/formats.py PERSONA_ENGINE FILE.wav…

Each file (16 kHz, mono) is converted by ffmpeg, processed by the program, and compared with the
original's predictions: the largest difference of any probability of emotion or gender, the share of
equal labels, and the difference in age. Prints a row per format. Needs ffmpeg and Python alone.
"""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

FORMATS = {
    "WAV 48 kHz stereo": ("wav", "-ar 48000 -ac 2"),
    "WAV 44.1 kHz": ("wav", "-ar 44100"),
    "WAV 8 kHz": ("wav", "-ar 8000"),
    "A-law 8 kHz": ("wav", "-ar 8000 -c:a pcm_alaw"),
    "µ-law 8 kHz": ("wav", "-ar 8000 -c:a pcm_mulaw"),
    "MP3 16 kHz 64 kbit/s": ("mp3", "-c:a libmp3lame -b:a 64k"),
    "MP3 16 kHz 32 kbit/s": ("mp3", "-c:a libmp3lame -b:a 32k"),
    "MP3 44.1 kHz stereo 128 kbit/s": ("mp3", "-ar 44100 -ac 2 -c:a libmp3lame -b:a 128k"),
}
HEADS = ("emotion", "gender")


def reports(program, files):
    command = [program, "infer", "--json", "--quiet", *files]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def difference(a, b):
    heads = [(a[head]["probabilities"], b[head]["probabilities"]) for head in HEADS]
    return max(abs(x[label] - y[label]) for x, y in heads for label in x)


def converted(files, folder, suffix, flags):
    copies = [str(pathlib.Path(folder) / f"{k}.{suffix}") for k in range(len(files))]
    for source, copy in zip(files, copies, strict=True):
        command = ["ffmpeg", "-v", "error", "-i", source, *flags.split(), copy]
        subprocess.run(command, check=True)
    return copies


def main(program, files):
    original = reports(program, files)
    columns = f"{'largest':>9}{'median':>9}{'emotion equal':>15}{'gender equal':>14}"
    print(f"{'format':<32}{columns}{'age, years':>12}")
    for name, (suffix, flags) in FORMATS.items():
        with tempfile.TemporaryDirectory() as folder:
            copies = reports(program, converted(files, folder, suffix, flags))
        pairs = list(zip(original, copies, strict=True))
        changes = [difference(a, b) for a, b in pairs]
        equal = [sum(a[head]["label"] == b[head]["label"] for a, b in pairs) for head in HEADS]
        years = max(abs(a["age"]["years"] - b["age"]["years"]) for a, b in pairs)
        labels = "".join(f"{count} of {len(pairs)}".rjust(15 - k) for k, count in enumerate(equal))
        numbers = f"{max(changes):>9.3f}{statistics.median(changes):>9.3f}"
        print(f"{name:<32}{numbers}{labels}{years:>12.1f}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
