"""The usual Python pipeline, for comparison: soundfile, then librosa (log-mel) or
kaldi-native-fbank, then ONNX Runtime. Each function imports only what it needs, because start-up
time is measured."""

import numpy as np

CHUNK_S, RATE_HZ = 3, 16_000


def chunks(path):
    """Chunks of 3 s [n] of a recording at 16 kHz, without overlap except that the last one ends at
    the recording's end."""
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE_HZ and samples.ndim == 1, f"{path}: mono at {RATE_HZ} Hz expected"
    length = CHUNK_S * RATE_HZ
    last = max(len(samples) - length, 0)
    return [samples[start : start + length] for start in [*range(0, last, length), last]]


def logmel(front, samples):
    """[n] → [frames, bands], normalised as the model's file states."""
    import librosa

    mel = librosa.feature.melspectrogram(
        y=samples,
        sr=front["sample_rate_hz"],
        n_fft=front["n_fft"],
        hop_length=front["hop_length"],
        n_mels=front["n_mels"],
        pad_mode="constant",
    )
    db = librosa.power_to_db(mel, ref=np.max, amin=front["amin"], top_db=front["top_db"])
    normal = front["normalisation"]
    return ((db.T + normal["offset_db"]) / normal["scale_db"]).astype(np.float32)


def kaldi(front, samples):
    """[n] → [frames, bands], optionally minus the mean over time."""
    import kaldi_native_fbank as knf

    options = knf.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.samp_freq = front["frame_opts"]["samp_freq"]
    options.frame_opts.window_type = front["frame_opts"]["window_type"]
    options.mel_opts.num_bins = front["mel_opts"]["num_bins"]
    fbank = knf.OnlineFbank(options)
    fbank.accept_waveform(RATE_HZ, samples)
    fbank.input_finished()
    frames = np.stack([fbank.get_frame(t) for t in range(fbank.num_frames_ready)])
    return frames - frames.mean(0) if front["mean_over_time"] else frames


def features(front, path):
    """The features of a recording's chunks [chunks, frames, bands]."""
    compute = logmel if front["kind"] == "logmel" else kaldi
    return np.stack([compute(front, chunk) for chunk in chunks(path)])


def session(path, threads):
    """A network in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
