#!/usr/bin/env python3
"""How often the engine answers, by kind of sound.

    measure_activity.py PERSONA_ENGINE [--speech FOLDER...] [--sounds FOLDER] [--half 0|1] [--variants] [--each]

FOLDERs of --speech hold recordings of speech; 16 kHz mono WAV where --variants asks for copies with white, pink and babble noise at 10 dB SNR
and for telephone copies (300 to 3400 Hz, 8 kHz). The folder of --sounds is made by activity_sounds.py. --half takes every second file, so that
thresholds are set on one half and reported on the other. Needs numpy.
"""
import argparse
import collections
import json
import math
import pathlib
import subprocess
import tempfile
import wave

import numpy as np

from activity_sounds import RATE_HZ, coloured, write

WINDOW_S = 3


def answers(program, files):
    """The report of every file, in order; a few hundred files a run."""
    out = []
    for start in range(0, len(files), 300):
        command = [program, "infer", "--json", "--quiet", *map(str, files[start : start + 300])]
        out += [json.loads(line) for line in subprocess.run(command, capture_output=True, text=True).stdout.splitlines()]
    return out


def row(name, reports):
    answered = [report for report in reports if report.get("windows")]
    windows = sum(max(1, math.ceil(report.get("duration_s", 0) / WINDOW_S - 1e-9)) for report in reports)
    of_windows = sum(report["windows"] for report in answered)
    reasons = collections.Counter((report.get("no_answer") or {"reason": "error"})["reason"] for report in reports if not report.get("windows"))
    print(f"{name:<34}{len(answered):>6} of {len(reports):<6}{100 * len(answered) / len(reports):>6.1f} %{of_windows:>8} of {windows:<7}"
          f"{100 * of_windows / windows:>6.1f} %   {dict(reasons.most_common())}", flush=True)


def read(path):
    with wave.open(str(path)) as recording:
        assert (recording.getframerate(), recording.getnchannels(), recording.getsampwidth()) == (RATE_HZ, 1, 2), path
        return np.frombuffer(recording.readframes(recording.getnframes()), "<i2") / 32768


def telephone(x, _):
    spectrum = np.fft.rfft(x)
    f = np.fft.rfftfreq(len(x), 1 / RATE_HZ)
    return np.fft.irfft(np.where((f < 300) | (f > 3400), 0, spectrum), len(x))


def noisy(noise):
    """Speech with noise at 10 dB below it, both taken over the whole file."""
    def mix(x, rng):
        y = noise(len(x), rng)
        return x + y * np.sqrt(np.mean(x**2) / max(np.mean(y**2), 1e-20)) * 10 ** (-10 / 20)
    return mix


def babble(files):
    """Eight voices at once."""
    def make(n, rng):
        voices = [np.resize(read(files[rng.integers(len(files))]), n) for _ in range(8)]
        return sum(voice / max(np.sqrt(np.mean(voice**2)), 1e-9) for voice in voices)
    return make


def variants(program, name, files):
    rng = np.random.default_rng(3)
    kinds = {"telephone": telephone, "white noise, 10 dB": noisy(lambda n, rng: rng.standard_normal(n)),
             "pink noise, 10 dB": noisy(lambda n, rng: coloured(rng, n, 1)), "babble, 10 dB": noisy(babble(files))}
    for kind, change in kinds.items():
        with tempfile.TemporaryDirectory() as folder:
            copies = [pathlib.Path(folder) / path.with_suffix(".wav").name for path in files]
            for path, copy in zip(files, copies):
                x = change(read(path), rng)
                write(copy, 0.9 * x / max(np.abs(x).max(), 0.9))
            row(f"  {name}, {kind}", answers(program, copies))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--speech", nargs="*", type=pathlib.Path, default=[])
    parser.add_argument("--sounds", type=pathlib.Path)
    parser.add_argument("--half", type=int)
    parser.add_argument("--variants", action="store_true")
    parser.add_argument("--each", action="store_true", help="a row for each sound, not one for all of a kind")
    args = parser.parse_args()
    print(f"{'':<34}{'files answered':>22}{'windows answered':>25}   files without")
    for folder in args.speech:
        files = [path for path in sorted(folder.rglob("*")) if path.suffix in (".wav", ".flac", ".mp3", ".ogg")]
        files = files if args.half is None else files[args.half :: 2]
        row(folder.name, answers(args.program, files))
        if args.variants:
            variants(args.program, folder.name, files[:: max(1, len(files) // 100)])
    for group in ("easy", "hard") if args.sounds else ():
        kinds = collections.defaultdict(list)
        for path in sorted((args.sounds / group).glob("*.wav")):
            kinds[path.stem if args.each or group == "hard" else path.stem.split("-")[0]].append(path)
        for kind, files in kinds.items():
            row(kind, answers(args.program, files))
        row(f"all of {group}", answers(args.program, [path for files in kinds.values() for path in files]))


if __name__ == "__main__":
    main()
