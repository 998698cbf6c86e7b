#!/usr/bin/env python3
"""How much an answer changes when the same recording comes in another format.

    compare_formats.py PERSONA_ENGINE FILE.wav...

Needs ffmpeg. Each file (16 kHz, mono) is converted by ffmpeg, answered by the program given, and compared with the answer for the original:
the largest difference of any probability of emotion or gender, whether the labels stay, and the difference in age.
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


def answers(program, files):
    out = subprocess.run([program, "infer", "--json", "--quiet", *files], check=True, capture_output=True, text=True)
    return [json.loads(line) for line in out.stdout.splitlines()]


def difference(a, b):
    heads = [(a[head]["probabilities"], b[head]["probabilities"]) for head in ("emotion", "gender")]
    return max(abs(x[label] - y[label]) for x, y in heads for label in x)


def main(program, files):
    original = answers(program, files)
    print(f"{'format':<32}{'largest':>9}{'median':>9}{'emotion kept':>14}{'gender kept':>13}{'age, years':>12}")
    for name, (suffix, flags) in FORMATS.items():
        with tempfile.TemporaryDirectory() as folder:
            copies = [str(pathlib.Path(folder) / f"{k}.{suffix}") for k in range(len(files))]
            for source, copy in zip(files, copies):
                subprocess.run(["ffmpeg", "-v", "error", "-i", source, *flags.split(), copy], check=True)
            pairs = list(zip(original, answers(program, copies)))
        moved = [difference(a, b) for a, b in pairs]
        kept = [sum(a[head]["label"] == b[head]["label"] for a, b in pairs) for head in ("emotion", "gender")]
        years = max(abs(a["age"]["years"] - b["age"]["years"]) for a, b in pairs)
        n = len(pairs)
        print(f"{name:<32}{max(moved):>9.3f}{statistics.median(moved):>9.3f}{kept[0]:>9} of {n}{kept[1]:>8} of {n}{years:>12.1f}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
