#!/usr/bin/env python3
"""Measures speech detection: how often the engine outputs a prediction, by kind of sound.

    python tools/check/activity.py PERSONA_ENGINE [--speech FOLDER…] [--sounds FOLDER] [--half 0|1]
            [--variants] [--each]

The folders of --speech contain recordings of speech. --variants adds copies with white, pink and
babble noise at 10 dB SNR and telephone copies (300 to 3400 Hz) and needs 16 kHz mono WAV. The
folder of --sounds is written by activity_sounds.py. --half uses every second file, so that
thresholds are set on one half and reported on the other. Prints a row per kind. Needs numpy.
"""

import argparse
import collections
import json
import math
import pathlib
import subprocess
import tempfile

import numpy as np

from persona.synthetic_audio import RATE_HZ, coloured_noise, read_wav, write_wav

CHUNK_S = 3


def run(program, files):
    """The report of every file, in order, with 300 files per process."""
    out = []
    for start in range(0, len(files), 300):
        command = [program, "infer", "--json", "--quiet", *map(str, files[start : start + 300])]
        out += [
            json.loads(line)
            for line in subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
        ]
    return out


def row(name, reports):
    """Prints files and chunks with a prediction, and the reasons of the other files."""
    predicted = [report for report in reports if report.get("windows")]
    others = [report for report in reports if not report.get("windows")]
    chunks = sum(
        max(1, math.ceil(report.get("duration_s", 0) / CHUNK_S - 1e-9)) for report in reports
    )
    predicted_chunks = sum(report["windows"] for report in predicted)
    reasons = [(report.get("no_answer") or {"reason": "error"})["reason"] for report in others]
    counts = dict(collections.Counter(reasons).most_common())
    files = f"{len(predicted):>6} of {len(reports):<6}{100 * len(predicted) / len(reports):>6.1f} %"
    share = 100 * predicted_chunks / chunks
    print(
        f"{name:<34}{files}{predicted_chunks:>8} of {chunks:<7}{share:>6.1f} %   {counts}",
        flush=True,
    )


def telephone(x, _):
    spectrum = np.fft.rfft(x)
    f = np.fft.rfftfreq(len(x), 1 / RATE_HZ)
    return np.fft.irfft(np.where((f < 300) | (f > 3400), 0, spectrum), len(x))


def noisy(noise):
    """Adds noise at 10 dB SNR, measured over the whole file."""

    def mix(x, rng):
        y = noise(len(x), rng)
        return x + y * np.sqrt(np.mean(x**2) / max(np.mean(y**2), 1e-20)) * 10 ** (-10 / 20)

    return mix


def babble(files):
    """Eight speakers at once."""

    def make(n, rng):
        voices = [np.resize(read_wav(files[rng.integers(len(files))]), n) for _ in range(8)]
        return sum(voice / max(np.sqrt(np.mean(voice**2)), 1e-9) for voice in voices)

    return make


def variants(program, name, files):
    rng = np.random.default_rng(3)
    kinds = {
        "telephone": telephone,
        "white noise, 10 dB": noisy(lambda n, rng: rng.standard_normal(n)),
        "pink noise, 10 dB": noisy(lambda n, rng: coloured_noise(rng, n, 1)),
        "babble, 10 dB": noisy(babble(files)),
    }
    for kind, change in kinds.items():
        with tempfile.TemporaryDirectory() as folder:
            copies = [pathlib.Path(folder) / path.with_suffix(".wav").name for path in files]
            for path, copy in zip(files, copies, strict=False):
                x = change(read_wav(path), rng)
                write_wav(copy, 0.9 * x / max(np.abs(x).max(), 0.9))
            row(f"  {name}, {kind}", run(program, copies))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program")
    parser.add_argument("--speech", nargs="*", type=pathlib.Path, default=[])
    parser.add_argument("--sounds", type=pathlib.Path)
    parser.add_argument("--half", type=int)
    parser.add_argument("--variants", action="store_true")
    parser.add_argument("--each", action="store_true", help="a row per sound instead of per kind")
    args = parser.parse_args()
    print(f"{'':<34}{'files with prediction':>22}{'chunks with prediction':>25}   other files")
    for folder in args.speech:
        files = [
            path
            for path in sorted(folder.rglob("*"))
            if path.suffix in (".wav", ".flac", ".mp3", ".ogg")
        ]
        files = files if args.half is None else files[args.half :: 2]
        row(folder.name, run(args.program, files))
        if args.variants:
            variants(args.program, folder.name, files[:: max(1, len(files) // 100)])
    for group in ("easy", "hard") if args.sounds else ():
        kinds = collections.defaultdict(list)
        for path in sorted((args.sounds / group).glob("*.wav")):
            kinds[path.stem if args.each or group == "hard" else path.stem.split("-")[0]].append(
                path
            )
        for kind, files in kinds.items():
            row(kind, run(args.program, files))
        row(
            f"all of {group}",
            run(args.program, [path for files in kinds.values() for path in files]),
        )


if __name__ == "__main__":
    main()
