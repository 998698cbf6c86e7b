"""Channel conditions: telephone, MP3 and noise, applied to clean audio at 16 kHz."""

import io

import lameenc
import numpy as np
import soundfile
import soxr

from .audio_features import RATE

MP3_DELAY = 1105  # samples: 576 of the encoder, 529 of the decoder


def narrow_band(audio, _):
    """Resamples to 8 kHz and back."""
    return np.stack(
        [soxr.resample(soxr.resample(x, RATE, 8000), 8000, RATE)[: len(x)] for x in audio]
    )


def mu_law(audio, _):
    """8 kHz with samples of 8 bits of µ-law (ITU-T G.711, by its continuous formula)."""
    short = np.stack([soxr.resample(x, RATE, 8000) for x in audio])
    magnitude = np.log1p(255 * np.abs(short).clip(max=1)) / np.log(256)
    code = np.round(np.sign(short) * magnitude * 127) / 127
    decoded = np.sign(code) * np.expm1(np.abs(code) * np.log(256)) / 255
    return np.stack([soxr.resample(x, 8000, RATE)[: audio.shape[1]] for x in decoded])


def mp3(kilobits):
    """Encodes with LAME at a constant bit rate (kbit/s), 16 kHz, and decodes."""

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
        decoded, _ = soundfile.read(io.BytesIO(file), dtype="float32")
        return decoded[MP3_DELAY : MP3_DELAY + len(x)]

    return run


def noise(snr_db):
    """Adds white, pink or brown noise at this signal-to-noise ratio over the whole recording."""

    def run(audio, rng):
        spectrum = np.fft.rfft(rng.standard_normal(audio.shape))
        slope = rng.choice([0.0, 0.5, 1.0], (len(audio), 1))
        spectrum /= np.maximum(np.arange(spectrum.shape[1]), 1) ** slope
        y = np.fft.irfft(spectrum, audio.shape[1])
        return audio + y / y.std(1, keepdims=True) * audio.std(1, keepdims=True) * 10 ** (
            -snr_db / 20
        )

    return run


CONDITIONS = {
    "8 kHz": narrow_band,
    "8 kHz µ-law": mu_law,
    "MP3 64 kbit/s": mp3(64),
    "MP3 32 kbit/s": mp3(32),
    "MP3 16 kbit/s": mp3(16),
    "noise 20 dB": noise(20),
    "noise 10 dB": noise(10),
    "noise 0 dB": noise(0),
}


def apply(audio, numbers, rng):
    """Applies to each row of [batch, samples] the condition of its number in `CONDITIONS`."""
    changed = np.zeros_like(audio)
    for number, condition in enumerate(CONDITIONS.values()):
        if (numbers == number).any():
            changed[numbers == number] = condition(audio[numbers == number], rng)
    return changed


def draw(count, rng, times=2):
    """Random numbers of conditions [count, times]; no row contains one condition twice."""
    return np.argsort(rng.random((count, len(CONDITIONS))), axis=1)[:, :times]


def of_clip(i):
    """The number of the one condition under which training and evaluation have clip i."""
    return int(np.random.default_rng([98, i]).integers(len(CONDITIONS)))
