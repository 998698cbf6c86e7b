#!/usr/bin/env python3
"""Golden values of the speech level: writes tests/golden/speech-level.safetensors.

    python tools/golden/speech_level.py     write the file (bit-identical with one numpy)

    samples [n]     seeded, synthesised signals one after the other: a gliding voice as a whole, at
                    -40 and +12 dB, with 16-bit steps at -30 dB, parts of it shorter and longer than
                    a frame, the voice behind noise 40 dB below it, zeros, the voice with an
                    offset
    lengths [k]     number of samples of each
    levelled [n]    each after persona/speech_level.py

Needs numpy and safetensors.
"""

import json
import pathlib

import numpy as np
from safetensors.numpy import save_file

from persona.speech_level import levelled
from persona.synthetic_audio import VOICE_SEED, speech_like

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"


def signals():
    voice = speech_like().astype(np.float32)[:3200]
    noise = np.random.default_rng(VOICE_SEED).normal(size=1600).astype(np.float32)
    noise *= np.float32(0.01 * np.sqrt(np.mean(voice**2)))
    steps = np.round(voice * 10 ** (-30 / 20) * 32768) / 32768
    cuts = [voice[:n] for n in (1, 100, 399, 400, 559, 560, 2001)]
    whole = [voice, voice * np.float32(0.01), voice * np.float32(10 ** (12 / 20)), steps]
    return [*whole, *cuts, np.concatenate([noise, voice]), np.zeros(900, np.float32), voice[:2000] + np.float32(0.1)]


def main():
    parts = [np.asarray(signal, dtype="<f4") for signal in signals()]
    tensors = {
        "samples": np.concatenate(parts),
        "lengths": np.array([len(part) for part in parts], dtype="<f4"),
        "levelled": np.concatenate([levelled(part) for part in parts]).astype("<f4"),
    }
    signature = {"made_by": "tools/golden/speech_level.py", "seed": VOICE_SEED}
    path = FOLDER / "speech-level.safetensors"
    save_file(tensors, path, metadata={"golden": json.dumps(signature)})
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
