#!/usr/bin/env python3
"""Benchmarks the front-ends against librosa, kaldi-native-fbank, SpeechBrain and soxr: the same
samples, one thread each, in turn in one run.

    cargo build --release --example frontend_times
    python tools/bench/frontends.py target/release/examples/frontend_times
            [--seconds 60] [--rounds 15] [--json OUT]

Ours runs in a process of its own that computes once per request (frontend_times.rs) and times
itself. Measured on either side is samples in memory → features in memory, everything planned and
warm, median over the rounds. The peers run in their fastest way:

* librosa: stft, power, product with a precomputed filter bank, power_to_db.
* kaldi-native-fbank: the copy of the samples from Python is excluded: the time for twice the
  frames, minus that for once.
* SpeechBrain: `Fbank` under `torch.inference_mode`.
* soxr: `soxr.resample`, float32, qualities HQ and VHQ.

For the resamplers the script also prints their effect on tones, which shows that the quality is
comparable. Prints Markdown tables; writes OUT as JSON. Needs tools/requirements.lock.
"""

import argparse
import importlib.machinery
import json
import statistics
import subprocess
import sys
import tempfile
import types
from pathlib import Path

from persona import benchmark

benchmark.limit_threads(1)

import kaldi_native_fbank as knf  # noqa: E402
import librosa  # noqa: E402
import numpy as np  # noqa: E402
import soxr  # noqa: E402
import torch  # noqa: E402

from persona.synthetic_audio import modulated_noise  # noqa: E402

torch.set_num_threads(1)
RATE_HZ, FAST_HZ = 16_000, 48_000
TONES_HZ = (7000, 7300, 7500, 7600, 8010, 8200, 9000, 15000)
QUALITIES = ("HQ", "VHQ")


class Ours:
    """The child process with our front-ends."""

    def __init__(self, program, slow, fast):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([program, slow, fast], stdin=pipe, stdout=pipe, text=True)

    def request(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        response = self.process.stdout.readline()
        if not response:
            sys.exit(f"{self.process.args[0]} ended")
        return response.strip()


def logmel(samples):
    bank = librosa.filters.mel(sr=RATE_HZ, n_fft=1024, n_mels=128)

    def run():
        spectrum = librosa.stft(samples, n_fft=1024, hop_length=256, pad_mode="constant")
        power = np.abs(spectrum) ** 2
        librosa.power_to_db(bank @ power, ref=np.max, amin=1e-10, top_db=80.0)

    return lambda: benchmark.timed(run)


def kaldi(extractor_class, options, num_bins, samples):
    """Seconds for the features alone."""
    waveform = samples * 32768

    def once(shift_ms):
        options.frame_opts.dither, options.frame_opts.frame_shift_ms = 0.0, shift_ms
        options.mel_opts.num_bins = num_bins
        extractor = extractor_class(options)
        return benchmark.timed(lambda: extractor.accept_waveform(RATE_HZ, waveform))

    return lambda: once(5.0) - once(10.0)


def speechbrain(n_mels, samples):
    audio = types.ModuleType("torchaudio")  # imported, but not used by these features
    audio.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
    sys.modules.setdefault("torchaudio", audio)
    from speechbrain.lobes.features import Fbank

    fbank, batch = Fbank(n_mels=n_mels), torch.from_numpy(samples)[None]

    def run():
        with torch.inference_mode():
            fbank(batch)

    return lambda: benchmark.timed(run)


def resampler(samples, quality):
    def run():
        soxr.resample(samples, FAST_HZ, RATE_HZ, quality=quality)

    return lambda: benchmark.timed(run)


def contestants(slow, fast):
    """{our name: [(peer, call that returns seconds)]}."""
    fbank, mfcc = knf.OnlineFbank, knf.OnlineMfcc
    native = "kaldi-native-fbank"
    return {
        "logmel": [("librosa", logmel(slow))],
        "kaldi-fbank-23": [(native, kaldi(fbank, knf.FbankOptions(), 23, slow))],
        "kaldi-fbank-80": [(native, kaldi(fbank, knf.FbankOptions(), 80, slow))],
        "kaldi-mfcc": [(native, kaldi(mfcc, knf.MfccOptions(), 23, slow))],
        "speechbrain-24": [("SpeechBrain", speechbrain(24, slow))],
        "speechbrain-80": [("SpeechBrain", speechbrain(80, slow))],
        "resample-48-16": [(f"soxr {q}", resampler(fast, q)) for q in QUALITIES],
        "activity": [],
    }


def tone_level(resampled, hz):
    """Level in dB of a resampled tone of amplitude 1: at its own frequency if it is in the pass
    band, of everything if it is not."""
    kept = resampled[2000:-2000].astype(np.float64)
    if hz > RATE_HZ / 2:
        return 10 * np.log10(np.mean(kept**2) / 0.5 + 1e-30)
    phase = 2 * np.pi * hz * np.arange(len(kept)) / RATE_HZ
    basis = np.stack([np.cos(phase), np.sin(phase)], 1)
    return 20 * np.log10(np.hypot(*np.linalg.lstsq(basis, kept, rcond=None)[0]))


def responses(ours, folder):
    """{resampler: {Hz: dB}}."""
    source, target = folder / "tone.f32", folder / "tone16.f32"

    def by_ours(tone):
        source.write_bytes(tone.tobytes())
        ours.request(f"resample {source} {target}")
        return np.fromfile(target, np.float32)

    resamplers = {"persona-engine": by_ours}
    for quality in QUALITIES:
        resamplers[f"soxr {quality}"] = lambda tone, q=quality: soxr.resample(
            tone, FAST_HZ, RATE_HZ, quality=q
        )
    time = np.arange(FAST_HZ) / FAST_HZ
    tones = {hz: np.cos(2 * np.pi * hz * time + 0.7).astype(np.float32) for hz in TONES_HZ}
    levels = {}
    for name, resample in resamplers.items():
        levels[name] = {hz: tone_level(resample(tone), hz) for hz, tone in tones.items()}
    return levels


def measure(args, folder):
    """({front-end: {contestant: seconds of each round}}, responses)."""
    slow, fast = modulated_noise(args.seconds, RATE_HZ), modulated_noise(args.seconds, FAST_HZ)
    for name, samples in (("16k.f32", slow), ("48k.f32", fast)):
        (folder / name).write_bytes(samples.tobytes())
    ours = Ours(args.program, str(folder / "16k.f32"), str(folder / "48k.f32"))
    table = contestants(slow, fast)
    times = {
        name: {"persona-engine": [], **{peer: [] for peer, _ in peers}}
        for name, peers in table.items()
    }
    for turn in range(args.rounds + 1):
        for name, peers in table.items():
            measured = {"persona-engine": float(ours.request(name))}
            measured |= {peer: call() for peer, call in peers}
            if turn > 0:  # the first round is a warm-up
                for who, seconds in measured.items():
                    times[name][who].append(seconds)
    return times, responses(ours, folder)


def print_times(times):
    print("| front-end | this engine, ms | compared with | ms | times as fast |")
    print("|---|---|---|---|---|")
    for name, of in times.items():
        own = statistics.median(of["persona-engine"])
        for who, seconds in list(of.items())[1:] or [("–", None)]:
            other = statistics.median(seconds) if seconds else None
            rest = f"{1e3 * other:.2f} | {other / own:.1f}" if other else "– | –"
            print(f"| {name} | {1e3 * own:.2f} | {who} | {rest} |")


def print_responses(levels):
    tones = " | ".join(f"{hz} Hz" for hz in levels["persona-engine"])
    print(f"\n| tone at 48 kHz, dB at 16 kHz | {tones} |")
    print("|---|" + "---|" * len(levels["persona-engine"]))
    for name, of in levels.items():
        cells = [f"{db:.4f}" if hz < RATE_HZ / 2 else f"{db:.1f}" for hz, db in of.items()]
        print(f"| {name} | {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times, levels = measure(args, Path(folder))
    versions = {
        "librosa": librosa.__version__,
        "kaldi-native-fbank": knf.__version__,
        "soxr": soxr.__version__,
        "torch": torch.__version__,
    }
    head = {**benchmark.machine(), "seconds": args.seconds, "rounds": args.rounds}
    head["versions"] = versions
    if args.json:
        result = {**head, "times_s": times, "responses_db": levels}
        args.json.write_text(json.dumps(result, indent=1))
    machine = f"one thread, {head['cpu']}, load {head['load']:.1f}, {head['date']}"
    rounds = f"median of {args.rounds} rounds in turn"
    print(f"{args.seconds} s of sound, {machine}, {rounds}; {versions}\n")
    print_times(times)
    print_responses(levels)


if __name__ == "__main__":
    main()
