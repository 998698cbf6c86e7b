"""Our front-ends beside librosa, kaldi-native-fbank, SpeechBrain and soxr: the same samples, one thread each, in turn in one run.

    cargo build --release --example frontend_times
    python tools/bench_frontends.py target/release/examples/frontend_times [--seconds 60] [--rounds 15] [--json OUT]

Ours runs in a process of its own that is asked for one run at a time (frontend_times.rs) and times itself; what counts on either side is
samples in memory → features in memory, everything planned and warm, median over the rounds. The peers are given their best way:

* librosa: stft, power, product with a filter bank made beforehand, power_to_db.
* kaldi-native-fbank: the samples' copy from Python is left out: the time for twice the frames, less that for once.
* SpeechBrain: `Fbank` under `torch.inference_mode`.
* soxr: `soxr.resample`, float32, qualities HQ and VHQ.

For the resamplers the script also prints what they do to tones: that is what "at equal quality" means here.

Needs numpy, librosa, kaldi-native-fbank, torch, speechbrain (see golden_kaldi.py for how to install it) and soxr.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import types
import importlib.machinery
from datetime import date
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import kaldi_native_fbank as knf  # noqa: E402
import librosa  # noqa: E402
import numpy as np  # noqa: E402
import soxr  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)
RATE_HZ, FAST_HZ = 16_000, 48_000


def speech_like(seconds, rate_hz):
    """Noise under a syllable-like envelope: nobody's time depends on more."""
    random = np.random.default_rng(0)
    n = seconds * rate_hz
    return (0.1 * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(n) / rate_hz)) * random.standard_normal(n)).astype(np.float32)


class Ours:
    """The child process."""

    def __init__(self, program, slow, fast):
        self.process = subprocess.Popen([program, slow, fast], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.process.args[0]} ended")
        return answer.strip()


def timed(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def logmel(samples):
    bank = librosa.filters.mel(sr=RATE_HZ, n_fft=1024, n_mels=128)

    def run():
        power = np.abs(librosa.stft(samples, n_fft=1024, hop_length=256, pad_mode="constant")) ** 2
        librosa.power_to_db(bank @ power, ref=np.max, amin=1e-10, top_db=80.0)

    return lambda: timed(run)


def kaldi(make, options, num_bins, samples):
    """Seconds for the features alone."""
    waveform = samples * 32768

    def once(shift_ms):
        options.frame_opts.dither, options.mel_opts.num_bins, options.frame_opts.frame_shift_ms = 0.0, num_bins, shift_ms
        extractor = make(options)
        return timed(lambda: extractor.accept_waveform(RATE_HZ, waveform))

    return lambda: once(5.0) - once(10.0)


def speechbrain(n_mels, samples):
    audio = types.ModuleType("torchaudio")  # looked for, not used by these features
    audio.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
    sys.modules.setdefault("torchaudio", audio)
    from speechbrain.lobes.features import Fbank

    fbank, batch = Fbank(n_mels=n_mels), torch.from_numpy(samples)[None]

    def run():
        with torch.inference_mode():
            fbank(batch)

    return lambda: timed(run)


def contestants(slow, fast):
    """{our name: [(peer, call that returns seconds)]}."""
    table = {
        "logmel": [("librosa", logmel(slow))],
        "kaldi-fbank-23": [("kaldi-native-fbank", kaldi(knf.OnlineFbank, knf.FbankOptions(), 23, slow))],
        "kaldi-fbank-80": [("kaldi-native-fbank", kaldi(knf.OnlineFbank, knf.FbankOptions(), 80, slow))],
        "kaldi-mfcc": [("kaldi-native-fbank", kaldi(knf.OnlineMfcc, knf.MfccOptions(), 23, slow))],
        "speechbrain-24": [("SpeechBrain", speechbrain(24, slow))],
        "speechbrain-80": [("SpeechBrain", speechbrain(80, slow))],
        "resample-48-16": [],
        "activity": [],
    }
    for quality in ("HQ", "VHQ"):
        table["resample-48-16"].append((f"soxr {quality}", lambda q=quality: timed(lambda: soxr.resample(fast, FAST_HZ, RATE_HZ, quality=q))))
    return table


def tone_level(resampled, hz):
    """Level of what became of a tone of 1, dB: at its own frequency where that is kept, of everything where it is not."""
    kept = resampled[2000:-2000].astype(np.float64)
    if hz > RATE_HZ / 2:
        return 10 * np.log10(np.mean(kept**2) / 0.5 + 1e-30)
    k = np.arange(len(kept))
    basis = np.stack([np.cos(2 * np.pi * hz * k / RATE_HZ), np.sin(2 * np.pi * hz * k / RATE_HZ)], 1)
    return 20 * np.log10(np.hypot(*np.linalg.lstsq(basis, kept, rcond=None)[0]))


def responses(ours, folder):
    """{resampler: {Hz: dB}}."""
    source, target = folder / "tone.f32", folder / "tone16.f32"

    def by_ours(tone):
        source.write_bytes(tone.tobytes())
        ours.ask(f"resample {source} {target}")
        return np.fromfile(target, np.float32)

    ways = {"persona-engine": by_ours}
    for quality in ("HQ", "VHQ"):
        ways[f"soxr {quality}"] = lambda tone, q=quality: soxr.resample(tone, FAST_HZ, RATE_HZ, quality=q)
    tones = {hz: np.cos(2 * np.pi * hz * np.arange(FAST_HZ) / FAST_HZ + 0.7).astype(np.float32) for hz in (7000, 7300, 7500, 7600, 8010, 8200, 9000, 15000)}
    return {name: {hz: tone_level(way(tone), hz) for hz, tone in tones.items()} for name, way in ways.items()}


def cpu():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown CPU")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    slow, fast = speech_like(args.seconds, RATE_HZ), speech_like(args.seconds, FAST_HZ)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name, samples in (("16k.f32", slow), ("48k.f32", fast)):
            (folder / name).write_bytes(samples.tobytes())
        ours = Ours(args.program, str(folder / "16k.f32"), str(folder / "48k.f32"))
        table = contestants(slow, fast)
        times = {name: {"persona-engine": [], **{peer: [] for peer, _ in peers}} for name, peers in table.items()}
        for turn in range(args.rounds + 1):
            for name, peers in table.items():
                measured = {"persona-engine": float(ours.ask(name)), **{peer: call() for peer, call in peers}}
                if turn > 0:  # the first is to warm up
                    for who, seconds in measured.items():
                        times[name][who].append(seconds)
        levels = responses(ours, folder)
    versions = {"librosa": librosa.__version__, "kaldi-native-fbank": knf.__version__, "soxr": soxr.__version__, "torch": torch.__version__}
    head = {"date": date.today().isoformat(), "cpu": cpu(), "cores": os.cpu_count(), "load": os.getloadavg()[0], "seconds": args.seconds, "rounds": args.rounds, "versions": versions}
    if args.json:
        args.json.write_text(json.dumps({**head, "times_s": times, "responses_db": levels}, indent=1))
    print(f"{args.seconds} s of sound, one thread, {head['cpu']}, load {head['load']:.1f}, {head['date']}, median of {args.rounds} rounds in turn; {versions}\n")
    print("| front-end | this engine, ms | beside | ms | times as fast |\n|---|---|---|---|---|")
    for name, of in times.items():
        own = statistics.median(of["persona-engine"])
        for who, seconds in list(of.items())[1:] or [("–", None)]:
            other = statistics.median(seconds) if seconds else None
            rest = f"{1e3 * other:.2f} | {other / own:.1f}" if other else "– | –"
            print(f"| {name} | {1e3 * own:.2f} | {who} | {rest} |")
    print("\n| tone at 48 kHz, dB at 16 kHz | " + " | ".join(f"{hz} Hz" for hz in levels["persona-engine"]) + " |")
    print("|---|" + "---|" * len(levels["persona-engine"]))
    for name, of in levels.items():
        print(f"| {name} | " + " | ".join(f"{level:.4f}" if hz < 8000 else f"{level:.1f}" for hz, level in of.items()) + " |")


if __name__ == "__main__":
    main()
