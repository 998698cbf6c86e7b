"""Level of speech: offset and gain of a chunk as a model file's `frontend.level` states them and the
engine applies them (src/dsp/speech_level.rs)."""

import numpy as np

LENGTH, SHIFT = 400, 160  # 25 and 10 ms at 16 kHz
SILENCE = 1e-24  # power of what rounding leaves of a constant
LEVEL = {"speech_dbfs": -23.0, "gate_db": 30.0}


def levelled(samples, speech_dbfs=LEVEL["speech_dbfs"], gate_db=LEVEL["gate_db"]):
    """`samples` [n] (16 kHz, full scale 1) minus their mean, with their speech at `speech_dbfs`; f32.

    Speech are the frames whose power is within `gate_db` of the loudest one; their mean power is
    brought to the level. Constant samples become zeros."""
    samples = np.asarray(samples, dtype=np.float64)
    if not len(samples):
        return samples.astype(np.float32)
    samples = samples - samples.mean()
    squares = samples**2
    if len(squares) < LENGTH:
        powers = squares.mean(keepdims=True)
    else:
        powers = np.lib.stride_tricks.sliding_window_view(squares, LENGTH)[::SHIFT].mean(1)
    if powers.max() < SILENCE:
        return samples.astype(np.float32)
    speech = powers[powers >= powers.max() * 10.0 ** (-gate_db / 10.0)]
    return (10.0 ** (speech_dbfs / 20.0) / np.sqrt(speech.mean()) * samples).astype(np.float32)
