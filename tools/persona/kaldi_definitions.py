"""Kaldi's energy VAD and sliding CMVN in numpy, from Kaldi's documented definitions. Needs
numpy."""

import numpy as np


def vad_energy(log_energy, threshold=5.0, mean_scale=0.5, context=0, proportion=0.6):
    """compute-vad: a frame is speech if enough of the frames around it exceed the threshold.
    1 or 0 for each frame, f32."""
    loud = log_energy > threshold + mean_scale * log_energy.mean(dtype=np.float64)
    speech = []
    for t in range(len(loud)):
        votes = loud[max(t - context, 0) : t + context + 1]
        speech.append(votes.sum() >= np.float32(len(votes)) * np.float32(proportion))
    return np.array(speech, dtype=np.float32)


def sliding_window(t, frames, cmn_window=600, min_window=100, center=False):
    """First frame of apply-cmvn-sliding's window for frame t, and the one after the last.

    A window that would begin before the utterance is moved right, one that would end after it left,
    both as far as there are frames. Without `center` it never extends past frame t, except to
    contain min_window frames."""
    if center:
        start = max(t - cmn_window // 2, 0)
        end = start + cmn_window
    else:
        start = max(t - cmn_window, 0)
        end = max(t + 1, min_window)
    if end > frames:
        start, end = max(start - (end - frames), 0), frames
    return start, end


def sliding_cmvn(x, variance=False, **options):
    """apply-cmvn-sliding, [frames, dim] → the same in f64."""
    out = np.empty_like(x, dtype=np.float64)
    for t in range(len(x)):
        start, end = sliding_window(t, len(x), **options)
        window = x[start:end].astype(np.float64)
        out[t] = x[t] - window.mean(0)
        if variance:
            deviation = np.sqrt(np.maximum(window.var(0), 1e-10))
            out[t] = out[t] / deviation if end - start > 1 else 0
    return out
