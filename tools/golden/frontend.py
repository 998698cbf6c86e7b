#!/usr/bin/env python3
"""Golden values of the front-ends: writes tests/golden/frontend.safetensors.

    python tools/golden/frontend.py             write the file (bit-identical with one numpy)
    python tools/golden/frontend.py FILE.wav…   print shape, mean and a few values of each file's
                                                log-mel instead

A synthesised, seeded signal of 1.2 s at 16 kHz passes through the default front-end in f64, layer
by layer:

    samples [19200]     a gliding voice (30 harmonics, vowel-like envelope), breath noise, a pause;
                        rounded to 16 bits
    power   [4, 513]    power spectra of frames 0, 10, 40 and 75
    mel     [76, 128]   band powers
    logmel  [76, 128]   dB below the loudest band, floor -80
    mfcc    [76, 40]    DCT-II, orthonormal

Needs numpy and safetensors.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np
from safetensors.numpy import save_file

from persona.synthetic_audio import VOICE_SEED, read_wav, speech_like

RATE, N_FFT, HOP, N_MELS, AMIN, TOP_DB, N_MFCC = 16000, 1024, 256, 128, 1e-10, 80.0, 40
POWER_FRAMES = [0, 10, 40, 75]


def mel_of_hz(hz):
    hz = np.asarray(hz, dtype=float)
    return np.where(
        hz < 1000, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1) / 1000) / np.log(6.4)
    )


def hz_of_mel(mel):
    mel = np.asarray(mel, dtype=float)
    return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))


def mel_bank():
    """[bands, bins]: band b rises from corner b to b + 1 and falls to b + 2, area 1 over Hz."""
    corners = hz_of_mel(np.linspace(mel_of_hz(0), mel_of_hz(RATE / 2), N_MELS + 2))
    bins = np.fft.rfftfreq(N_FFT, 1 / RATE)
    rows = []
    for b in range(N_MELS):
        height = 2 / (corners[b + 2] - corners[b])
        rows.append(np.interp(bins, corners[b : b + 3], [0, height, 0]))
    return np.array(rows)


def power_spectra(x):
    """[frames, bins]; frame t is centred at sample t * HOP, with zero padding."""
    padded = np.pad(x, N_FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    return np.abs(np.fft.rfft(frames * hann)) ** 2


def decibels(mel):
    mel = np.maximum(mel, AMIN)
    return np.maximum(10 * np.log10(mel / mel.max()), -TOP_DB)


def logmel(x):
    return decibels(power_spectra(x) @ mel_bank().T)


def dct_ortho(rows, n_out):
    n = rows.shape[1]
    k, i = np.arange(n_out)[:, None], np.arange(n)[None, :]
    basis = np.sqrt(np.where(k == 0, 1, 2) / n) * np.cos(np.pi * k * (i + 0.5) / n)
    return rows @ basis.T


def golden():
    x = speech_like()
    power = power_spectra(x)
    mel = power @ mel_bank().T
    db = decibels(mel)
    layers = {
        "samples": x,
        "power": power[POWER_FRAMES],
        "mel": mel,
        "logmel": db,
        "mfcc": dct_ortho(db, N_MFCC),
    }
    return {name: np.ascontiguousarray(value, dtype="<f4") for name, value in layers.items()}


def main():
    if len(sys.argv) > 1:
        for path in sys.argv[1:]:
            y = logmel(read_wav(path))
            print(path, y.shape, f"mean {y.mean():.6f} dB", np.round(y[20, :4], 4))
        return
    here = pathlib.Path(__file__).resolve()
    signature = {
        "made_by": "tools/golden/frontend.py",
        "script_sha256": hashlib.sha256(here.read_bytes()).hexdigest(),
        "numpy": np.__version__,
        "seed": str(VOICE_SEED),
    }
    out = here.parents[2] / "tests" / "golden" / "frontend.safetensors"
    out.parent.mkdir(parents=True, exist_ok=True)
    # one key: safetensors writes several in an order that changes from run to run
    save_file(golden(), out, metadata={"signature": json.dumps(signature)})
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
