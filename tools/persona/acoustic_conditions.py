"""Random acoustic conditions for training clips, drawn independently of their labels.

```text
clip ─▶ speed ─▶ denoised or gated ─▶ trimmed or padded with silence ─▶ room ─▶ microphone
     ─▶ noise or babble at an SNR of 0 dB up to none ─▶ clipping ─▶ band limit or codec ─▶ offset
```

In CREMA-D the noise of the room tells the emotion: sad clips have an SNR of 10 dB, angry ones of
25. A clip is therefore denoised with probability 0.5, and then gets noise whose level does not
depend on the clip. Audio: mono f32 [samples] at 16 kHz, at most 3 s.
"""

import numpy as np
import soxr
from scipy.signal import butter, fftconvolve, sosfilt

from . import channel_conditions
from .audio_features import CHUNK_SAMPLES, RATE

STEP = 1600  # lengths are multiples of this many samples, so that batches have one length
SHORTEST = 16000
N_FFT, HOP = 512, 128
WINDOW = np.sqrt(np.hanning(N_FFT + 1)[:-1]).astype(np.float32)


def speech_power(x, gate_db=30.0):
    """Mean power of the frames (25 ms every 10 ms) within `gate_db` of the loudest one."""
    frames = np.lib.stride_tricks.sliding_window_view(x, 400)[::160]
    power = (frames.astype(np.float64) ** 2).mean(1)
    return power[power >= power.max() * 10 ** (-gate_db / 10)].mean()


def whole_steps(x):
    """The longest beginning of x whose length is a multiple of `STEP`, at most 3 s."""
    return x[: min(len(x), CHUNK_SAMPLES) // STEP * STEP]


def denoise(x, rng):
    """Spectral subtraction of the quietest frames' spectrum, then a gate between words."""
    padded = np.pad(x, (N_FFT, N_FFT + HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    spectrum = np.fft.rfft(frames * WINDOW)
    power = np.abs(spectrum) ** 2
    energy = power.sum(1)
    inside = energy[4:-5]
    quiet = (energy <= np.quantile(inside, 0.15)) & (energy > 0)
    noise = power[quiet].mean(0) if quiet.any() else power.mean(0) * 0
    smooth = np.apply_along_axis(np.convolve, 0, power, np.ones(3) / 3, "same")
    floor = 10 ** (-rng.uniform(20.0, 70.0) / 20)
    gain = np.sqrt(np.clip(1 - rng.uniform(1.5, 4.0) * noise / (smooth + 1e-20), floor**2, 1))
    kept = (power * gain**2).sum(1)
    open_gate = kept > kept.max() * 10 ** (-rng.uniform(28.0, 45.0) / 10)
    open_gate &= energy > rng.uniform(1.5, 4.0) * (energy[quiet].mean() if quiet.any() else 0.0)
    open_gate = np.convolve(open_gate, np.ones(9), "same") > 0
    gain *= np.where(np.convolve(open_gate, np.ones(5) / 5, "same") > 0.5, 1.0, floor)[:, None]
    frames = np.fft.irfft(spectrum * gain, N_FFT) * WINDOW
    y, scale = np.zeros(len(padded)), np.zeros(len(padded))
    for k in range(N_FFT // HOP):  # frames that do not overlap are added at once
        part = frames[k :: N_FFT // HOP]
        y[k * HOP : k * HOP + part.size] += part.ravel()
        scale[k * HOP : k * HOP + part.size] += np.tile(WINDOW**2, len(part))
    return (y / np.maximum(scale, 1e-3))[N_FFT : N_FFT + len(x)].astype(np.float32)


def change_length(x, rng):
    """Trims or pads both ends."""
    before, after = (int(v) for v in rng.uniform(-0.2, 0.5, 2) * RATE)
    x = x[max(0, -before) :]
    if after < 0 and len(x) + after > SHORTEST:
        x = x[:after]
    x = np.pad(x, (max(0, before), max(0, after)))
    if len(x) > CHUNK_SAMPLES:
        start = rng.integers(0, min(max(before, 0), len(x) - CHUNK_SAMPLES) + 1)
        x = x[start : start + CHUNK_SAMPLES]
    return np.pad(x, (0, max(0, SHORTEST - len(x))))


def reverberate(x, rng):
    """Room response: direct sound, then noise that decays by 60 dB within 0.1 to 0.9 s."""
    samples = int(rng.uniform(0.1, 0.9) * RATE)
    tail = rng.standard_normal(samples) * np.exp(-6.9 * np.arange(samples) / samples)
    tail[: int(rng.uniform(0.001, 0.01) * RATE)] = 0
    tail /= np.sqrt((tail**2).sum()) * 10 ** (rng.uniform(-3.0, 20.0) / 20)
    tail[0] = 1.0
    return fftconvolve(x, tail)[: len(x)]


def microphone(x, rng):
    """A smooth random frequency response of some dB."""
    spectrum = np.fft.rfft(x)
    octave = np.linspace(0, 1, len(spectrum)) ** 0.5
    decibels = sum(
        rng.normal(0, 3.0) * np.cos(np.pi * k * octave + rng.uniform(0, 2 * np.pi)) for k in (1, 2, 3)
    )
    return np.fft.irfft(spectrum * 10 ** (decibels / 20), len(x))


def coloured_noise(samples, rng):
    """White to brown, sometimes with a slowly changing level."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** rng.uniform(0.0, 1.0)
    y = np.fft.irfft(spectrum, samples)
    if rng.random() < 0.3:
        at = np.linspace(0, rng.uniform(1, 6) * np.pi, samples) + rng.uniform(0, 6)
        y = y * (1 + rng.uniform(0.3, 0.9) * np.sin(at))
    return y


def babble(samples, rng, voices):
    """The sum of three to seven pieces of other speech."""
    y = np.zeros(samples)
    for _ in range(rng.integers(3, 8)):
        voice = voices[rng.integers(len(voices))]
        start = rng.integers(0, max(1, len(voice) - samples))
        piece = voice[start : start + samples]
        y[: len(piece)] += piece
    return y


def band_limit(x, rng):
    """Low-pass at 2.8 to 7.5 kHz, high-pass at 50 to 350 Hz, or both."""
    if rng.random() < 0.7:
        x = sosfilt(butter(6, rng.uniform(2800.0, 7500.0), "low", fs=RATE, output="sos"), x)
    if rng.random() < 0.5:
        x = sosfilt(butter(3, rng.uniform(50.0, 350.0), "high", fs=RATE, output="sos"), x)
    return x


CODECS = ("8 kHz", "8 kHz µ-law", "MP3 64 kbit/s", "MP3 32 kbit/s", "MP3 16 kbit/s")


def vary(x, rng, voices):
    """[samples] → [samples]: one clip under randomly drawn acoustic conditions."""
    x = np.asarray(x, np.float32)
    if rng.random() < 0.4:
        x = soxr.resample(x, RATE, RATE / rng.uniform(0.9, 1.1))
    if rng.random() < 0.5:
        x = denoise(x, rng)
    x = change_length(x, rng) if rng.random() < 0.7 else x[:CHUNK_SAMPLES]
    if rng.random() < 0.4:
        x = reverberate(x, rng)
    if rng.random() < 0.6:
        x = microphone(x, rng)
    if rng.random() < 0.7:
        noisy = rng.random() < 0.8
        y = coloured_noise(len(x), rng) if noisy else babble(len(x), rng, voices)
        snr = rng.uniform(0.0 if noisy else 5.0, 50.0)
        x = x + y * np.sqrt(speech_power(x) * 10 ** (-snr / 10) / ((y**2).mean() + 1e-20))
    peak = np.abs(x).max() + 1e-9
    if rng.random() < 0.1:
        x = np.clip(x, -rng.uniform(0.2, 0.9) * peak, rng.uniform(0.2, 0.9) * peak)
    drawn = rng.random()
    if drawn < 0.25:
        x = band_limit(x, rng)
    elif drawn < 0.45:
        condition = channel_conditions.CONDITIONS[CODECS[rng.integers(len(CODECS))]]
        x = condition((x * 0.5 / peak)[None], rng)[0]
    if rng.random() < 0.1:
        x = x + rng.uniform(-0.3, 0.3) * np.abs(x).max()
    return whole_steps(np.asarray(x, np.float32))
