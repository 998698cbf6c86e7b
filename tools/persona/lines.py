"""What happens to a recording on its way to the analyst: a telephone line, an MP3 of few bits, noise. Done to clean audio at 16 kHz."""
import io

import lameenc
import numpy as np
import soundfile
import soxr

from .sound import RATE

MP3_DELAY = 1105  # samples: 576 of the encoder, 529 of the decoder


def narrow(audio, _):
    """A line of 8 kHz."""
    return np.stack([soxr.resample(soxr.resample(x, RATE, 8000), 8000, RATE)[: len(x)] for x in audio])


def mulaw(audio, rng):
    """A line of 8 kHz whose samples are 8 bits of µ-law (ITU-T G.711, by its smooth formula)."""
    short = np.stack([soxr.resample(x, RATE, 8000) for x in audio])
    code = np.round(np.sign(short) * np.log1p(255 * np.abs(short).clip(max=1)) / np.log(256) * 127) / 127
    heard = np.sign(code) * np.expm1(np.abs(code) * np.log(256)) / 255
    return np.stack([soxr.resample(x, 8000, RATE)[: audio.shape[1]] for x in heard])


def mp3(kilobits):
    """LAME at a constant rate of so many kbit/s, 16 kHz, and back."""

    def run(audio, _):
        return np.stack([one(x) for x in audio])

    def one(x):
        lame = lameenc.Encoder()
        lame.set_bit_rate(kilobits)
        lame.set_in_sample_rate(RATE)
        lame.set_channels(1)
        lame.silence()
        pcm = (np.pad(x, (0, MP3_DELAY)).clip(-1, 1) * 32767).astype("<i2")
        file = bytes(lame.encode(pcm.tobytes())) + bytes(lame.flush())
        heard, _ = soundfile.read(io.BytesIO(file), dtype="float32")
        return heard[MP3_DELAY : MP3_DELAY + len(x)]

    return run


def noise(snr_db):
    """White, pink or brown noise, so many dB below the recording's mean power."""

    def run(audio, rng):
        spectrum = np.fft.rfft(rng.standard_normal(audio.shape))
        slope = rng.choice([0.0, 0.5, 1.0], (len(audio), 1))
        spectrum /= np.maximum(np.arange(spectrum.shape[1]), 1) ** slope
        y = np.fft.irfft(spectrum, audio.shape[1])
        return audio + y / y.std(1, keepdims=True) * audio.std(1, keepdims=True) * 10 ** (-snr_db / 20)

    return run


LINES = {
    "8 kHz": narrow,
    "8 kHz µ-law": mulaw,
    "MP3 64 kbit/s": mp3(64),
    "MP3 32 kbit/s": mp3(32),
    "MP3 16 kbit/s": mp3(16),
    "noise 20 dB": noise(20),
    "noise 10 dB": noise(10),
    "noise 0 dB": noise(0),
}


def through(audio, numbers, rng):
    """[batch, samples], each through the line of its number in `LINES`."""
    changed = np.zeros_like(audio)
    for number, line in enumerate(LINES.values()):
        if (numbers == number).any():
            changed[numbers == number] = line(audio[numbers == number], rng)
    return changed


def draw(count, rng, times=2):
    """Numbers of lines [count, times]; no recording takes one line twice."""
    return np.argsort(rng.random((count, len(LINES))), axis=1)[:, :times]
