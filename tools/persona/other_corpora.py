"""Speech from corpora other than CREMA-D, without emotion and age labels: LibriSpeech (speaker and
sex) and two sets of spoken commands.

The folder contains `librispeech.csv` and the folders `librispeech_train_clean_100`, `orders` and
`wakewords`, in any format that soundfile reads.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from scipy.signal import fftconvolve, lfilter

from .audio_features import BANK, CHUNK_SAMPLES, HANN, HOP, N_FFT, RATE, from_bytes, spectrum

SETS = {"librispeech_train_clean_100": 1, "orders": 4, "wakewords": 4}  # every n-th recording
SPEEDS = (1.0, 0.9, 1.1)  # pitch and tempo together, as for other speakers (Ko et al. 2015)
HELD_OUT = 0  # which fifth of LibriSpeech's speakers, ordered by number, no network is trained on


@dataclass
class Recording:
    path: Path
    speaker: str  # "" where unknown
    sex: str


def recordings(folder):
    with (folder / "librispeech.csv").open(newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    found = []
    for name, step in SETS.items():
        for path in sorted((folder / name).iterdir())[::step]:
            row = rows.get(f"{name}/{path.name}", {"speaker": "", "sex": ""})
            found.append(Recording(path, row["speaker"], row["sex"]))
    return found


def held_out(found):
    """The speakers held out for evaluation."""
    return set(sorted({r.speaker for r in found if r.speaker}, key=int)[HELD_OUT::5][:50])


def read(path):
    """Mono f32 at 16 kHz."""
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return soxr.resample(audio.mean(1), rate, RATE)


def segments(audio, shortest=1.5, quietest=1e-3):
    """Yields (first sample, segment of at most 3 s), without overlap; skips short and silent
    segments."""
    for start in range(0, len(audio), CHUNK_SAMPLES):
        part = audio[start : start + CHUNK_SAMPLES]
        if len(part) >= shortest * RATE and np.abs(part).max() > quietest:
            yield start, np.ascontiguousarray(part)


class RoomNoise:
    """Adds the noise floor of CREMA-D's rooms to recordings that are quieter.

    A spectrogram stores nothing below −80 dB. Recordings that are quieter than that lose
    different information in reconstruction than CREMA-D's clips do."""

    def __init__(self, spectrograms, seed):
        """`spectrograms`: a list of uint8 [frames, bands], as `audio_features.to_bytes` returns
        them."""
        self.spectrograms, self.rng = spectrograms, np.random.default_rng(seed)

    def __call__(self, audio):
        """[samples] → the same plus noise with the spectrum and the level (relative to the loudest
        band) of the quietest tenth of frames of a random clip."""
        clip = self.spectrograms[self.rng.integers(len(self.spectrograms))]
        db = from_bytes(torch.tensor(clip))
        quiet = db.mean(1).argsort()[: max(4, len(db) // 10)]
        band = (10 ** (db[quiet] / 10)).mean(0)
        density = (BANK.T @ (band / BANK.sum(1))) / BANK.sum(0).clamp(min=1e-9)
        # no band covers the first and the last bin
        density[0], density[-1] = density[1], density[-2]
        white = torch.tensor(self.rng.standard_normal(len(audio)), dtype=torch.float32)[None]
        shaped = spectrum(white) * (density / HANN.square().sum()).sqrt()[:, None]
        peak = (BANK @ spectrum(torch.tensor(audio)[None]).abs().square()).max()
        noise = torch.istft(shaped, N_FFT, HOP, window=HANN, length=len(audio))[0]
        return audio + (noise * peak.sqrt()).numpy()


class Degrade:
    """Applies at random: reverberation, a spectral tilt, noise of some colour at 5 to 30 dB, a
    telephone band with µ-law. One seed determines all."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def __call__(self, audio):
        rng, y = self.rng, audio.astype(np.float64)
        if rng.random() < 0.4:
            y = self.reverberate(y)
        if rng.random() < 0.5:
            y = lfilter([1.0], [1.0, -rng.uniform(-0.4, 0.4)], y)
        if rng.random() < 0.6:
            y = y + self.noise(len(y)) * y.std() * 10 ** (-rng.uniform(5.0, 30.0) / 20)
        if rng.random() < 0.3:
            y = self.telephone(y)
        return y.astype(np.float32)

    def reverberate(self, y):
        samples = int(self.rng.uniform(0.1, 0.5) * RATE)
        decay = np.exp(-6.9 * np.arange(samples) / samples)  # 60 dB
        response = self.rng.standard_normal(samples) * decay * self.rng.uniform(0.02, 0.15)
        response[0] = 1.0
        return fftconvolve(y, response)[: len(y)]

    def noise(self, samples):
        """White, pink or brown, unit variance."""
        spectrum = np.fft.rfft(self.rng.standard_normal(samples))
        slope = self.rng.choice([0, 1, 2]) / 2
        spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** slope
        y = np.fft.irfft(spectrum, samples)
        return y / y.std()

    def telephone(self, y):
        y = soxr.resample(soxr.resample(y, RATE, 8000), 8000, RATE)[: len(y)]
        if self.rng.random() < 0.5:
            peak = np.abs(y).max() + 1e-9
            magnitude = np.log1p(255 * np.abs(y) * 0.8 / peak) / np.log(256)
            code = np.round(np.sign(y) * magnitude * 127) / 127
            y = np.sign(code) * np.expm1(np.abs(code) * np.log(256)) / 255
        return y
