"""The answer as Python programs give it: soundfile, then librosa (log-mel) or kaldi-native-fbank, then ONNX Runtime on one of our networks.

    python tools/python_peer.py NETWORK.onnx FRONTEND.json RECORDING.wav [--threads 1]

prints emotion, gender and age of each window of 3 s. FRONTEND.json is the part `frontend` of the system's manifest. tools/bench_start.py has this run as a process,
tools/bench_peers.py takes the features from here; only what a process needs is imported.
"""
import argparse
import json

import numpy as np
import soundfile

WINDOW_S, RATE_HZ = 3, 16_000


def windows(path):
    """Windows of 3 s [n] of a recording at 16 kHz, one after the other, the last one reaching back."""
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE_HZ and samples.ndim == 1, f"{path} is not mono at {RATE_HZ} Hz"
    length = WINDOW_S * RATE_HZ
    starts = [*range(0, max(len(samples) - length, 0), length), max(len(samples) - length, 0)]
    return [samples[start : start + length] for start in starts]


def logmel(front, samples):
    """[n] → [frames, bands], normalised as the system's file says."""
    import librosa

    mel = librosa.feature.melspectrogram(
        y=samples, sr=front["sample_rate_hz"], n_fft=front["n_fft"], hop_length=front["hop_length"], n_mels=front["n_mels"], pad_mode="constant"
    )
    db = librosa.power_to_db(mel, ref=np.max, amin=front["amin"], top_db=front["top_db"])
    normal = front["normalisation"]
    return ((db.T + normal["offset_db"]) / normal["scale_db"]).astype(np.float32)


def kaldi(front, samples):
    """[n] → [frames, bands] without the mean over time."""
    import kaldi_native_fbank as knf

    options = knf.FbankOptions()
    options.frame_opts.dither, options.frame_opts.samp_freq = 0.0, front["frame_opts"]["samp_freq"]
    options.frame_opts.window_type = front["frame_opts"]["window_type"]
    options.mel_opts.num_bins = front["mel_opts"]["num_bins"]
    fbank = knf.OnlineFbank(options)
    fbank.accept_waveform(RATE_HZ, samples)
    fbank.input_finished()
    frames = np.stack([fbank.get_frame(t) for t in range(fbank.num_frames_ready)])
    return frames - frames.mean(0) if front["mean_over_time"] else frames


def features(front, path):
    """The recording's windows [windows, frames, bands]."""
    make = logmel if front["kind"] == "logmel" else kaldi
    return np.stack([make(front, window) for window in windows(path)])


def session(path, threads):
    """A network in ONNX Runtime."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network")
    parser.add_argument("frontend")
    parser.add_argument("recording")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    with open(args.frontend) as file:
        front = json.load(file)
    for window in zip(*session(args.network, args.threads).run(None, {"x": features(front, args.recording)})):
        print(*(np.round(answer, 4).tolist() for answer in window))


if __name__ == "__main__":
    main()
