"""Synthetic audio: a seeded voice, coloured noise, and 16-bit WAV files at 16 kHz. Needs numpy."""

import wave

import numpy as np

RATE_HZ = 16_000
VOICE_SEED = 20240607


def speech_like(n=19200):
    """A voice gliding from 110 to 180 Hz with resonances near 600, 1200 and 2500 Hz, noise, and a
    pause in the middle: [n] at 16 kHz, rounded to 16 bits."""
    rng = np.random.default_rng(VOICE_SEED)
    t = np.arange(n) / RATE_HZ
    pitch = 110 + 70 * t / t[-1]
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    resonances = [(600, 1.0), (1200, 0.5), (2500, 0.2)]
    voice = np.zeros(n)
    for k in range(1, 31):
        hz = k * pitch
        loudness = sum(a / (1 + ((hz - f) / 120) ** 2) for f, a in resonances) + 0.01
        voice += loudness * np.sin(k * phase + rng.uniform(0, 2 * np.pi))
    breath = 0.02 * rng.standard_normal(n)
    pause = np.where((t > 0.5) & (t < 0.65), 1e-3, 1.0)
    gate = pause * np.minimum(1, np.minimum(t, t[-1] - t) / 0.03)
    x = (voice + breath) * gate
    return np.round(x / np.abs(x).max() * 0.5 * 32768) / 32768


def modulated_noise(seconds, rate_hz):
    """White noise with an envelope at a syllable rate of 4 Hz, f32, for benchmarks."""
    rng = np.random.default_rng(0)
    n = seconds * rate_hz
    envelope = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(n) / rate_hz)
    return (0.1 * envelope * rng.standard_normal(n)).astype(np.float32)


def coloured_noise(rng, n, slope):
    """Noise whose power falls as 1 / f**slope above 20 Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    f = np.fft.rfftfreq(n, 1 / RATE_HZ)
    shaped = spectrum * np.where(f < 20, 0, np.maximum(f, 20) ** (-slope / 2))
    return np.fft.irfft(shaped, n)


def write_wav(path, samples):
    """Writes samples in [−1, 1] as 16-bit mono at 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def read_wav(path):
    """Samples in [−1, 1] of a 16-bit mono file at 16 kHz."""
    with wave.open(str(path)) as file:
        shape = (file.getframerate(), file.getnchannels(), file.getsampwidth())
        assert shape == (RATE_HZ, 1, 2), f"{path}: 16 kHz, mono, 16 bits expected, found {shape}"
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
