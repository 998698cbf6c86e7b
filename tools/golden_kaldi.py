#!/usr/bin/env python3
"""Golden values of the Kaldi and SpeechBrain front-ends: writes tests/golden/kaldi.safetensors.

    python tools/golden_kaldi.py                 write the file (the same bytes every time with the same versions)
    python tools/golden_kaldi.py features FOLDER FILE.wav…
                                                 write each file's features by the yardsticks to FOLDER/NAME.safetensors instead
    python tools/golden_kaldi.py speed           time kaldi-native-fbank on 60 s of noise, one thread

Needs numpy, safetensors, torch, kaldi-native-fbank and speechbrain. With `--no-deps`, speechbrain wants hyperpyyaml, ruamel.yaml, pyyaml,
sentencepiece, huggingface_hub, tqdm and joblib beside it; torchaudio, which these features do not use, may be missing.

    samples            [9600]  0.6 s at 16 kHz: the voice of golden_frontend.py, with an offset
    fbank.NAME                 kaldi-native-fbank, the recipes FBANK below ("telephone" takes the samples as if at 8 kHz)
    mfcc.NAME                  kaldi-native-fbank, the recipes MFCC below
    speechbrainN.fbank         speechbrain.lobes.features.Fbank with N = 24 and 80 bands
    speechbrainN.normalised    the same after InputNormalization(norm_type="sentence", std_norm=False)
    cmvn.features      [750, 4]  a random walk
    cmvn.mean, cmvn.mean_variance      kaldi-native-fbank: compute_cmvn_stats and apply_cmvn
    cmvn.sliding, _centred, _variance  numpy, from Kaldi's documented definition (no package at hand has it)
    vad.log_energy     [200]
    vad.default, vad.sre16, vad.strict numpy, from Kaldi's documented definition (likewise)
"""
import hashlib
import importlib.machinery
import importlib.metadata
import json
import pathlib
import sys
import time
import types
import wave

import kaldi_native_fbank as knf
import numpy as np
import torch
from golden_frontend import speech_like
from safetensors.numpy import save_file

SEED = 20240608

# name: (samples are multiplied with, frame options, mel options, other options)
FBANK = {
    "default": (32768, {}, {}, {}),
    "speaker80": (1, {}, dict(num_bins=80), {}),
    "reflected": (32768, dict(snip_edges=False, window_type="hamming"), dict(num_bins=40), {}),
    "energy": (32768, dict(window_type="hanning"), {}, dict(use_energy=True, energy_floor=1e8)),
    "htk": (
        32768,
        dict(window_type="hamming", remove_dc_offset=False),
        dict(num_bins=26, low_freq=0),
        dict(use_energy=True, raw_energy=False, htk_compat=True),
    ),
    "telephone": (32768, dict(samp_freq=8000, snip_edges=False), dict(num_bins=24, low_freq=60, high_freq=-400), {}),
    "magnitude": (32768, dict(window_type="rectangular", preemph_coeff=0), {}, dict(use_power=False)),
    "blackman400": (
        32768,
        dict(window_type="blackman", blackman_coeff=0.4, round_to_power_of_two=False, frame_shift_ms=12.5),
        dict(num_bins=30, low_freq=100, high_freq=7000),
        {},
    ),
    "linear": (32768, {}, {}, dict(use_log_fbank=False)),
}
MFCC = {
    "default": (32768, {}, {}, {}),
    "sre16": (32768, dict(samp_freq=8000, snip_edges=False), dict(num_bins=23, high_freq=3700), dict(num_ceps=23)),
    "voxceleb": (32768, dict(snip_edges=False), dict(num_bins=30, high_freq=7600), dict(num_ceps=30)),
    "htk": (32768, {}, {}, dict(use_energy=False, htk_compat=True)),
    "plain": (1, {}, {}, dict(use_energy=False, cepstral_lifter=0)),
    "windowed_energy": (32768, {}, {}, dict(raw_energy=False, htk_compat=True, energy_floor=1e8)),
}


def knf_options(options, frame, mel, other):
    """Sets the knobs; an unknown name is an error."""
    options.frame_opts.dither = 0
    for part, values in ((options.frame_opts, frame), (options.mel_opts, mel), (options, other)):
        for name, value in values.items():
            assert hasattr(part, name), name
            setattr(part, name, value)
    return options


def knf_run(extractor, samp_freq, samples):
    extractor.accept_waveform(samp_freq, samples)
    extractor.input_finished()
    return np.array([extractor.get_frame(t) for t in range(extractor.num_frames_ready)], dtype=np.float32)


def kaldi_features(samples):
    features = {}
    for kind, table, options, extractor in (
        ("fbank", FBANK, knf.FbankOptions, knf.OnlineFbank),
        ("mfcc", MFCC, knf.MfccOptions, knf.OnlineMfcc),
    ):
        for name, (scale, frame, mel, other) in table.items():
            opts = knf_options(options(), frame, mel, other)
            run = knf_run(extractor(opts), opts.frame_opts.samp_freq, (samples * scale).astype(np.float32))
            features[f"{kind}.{name}"] = run
    return features


def speechbrain_features(samples):
    if importlib.util.find_spec("torchaudio") is None:
        # SpeechBrain imports it at its top for other features.
        stub = types.ModuleType("torchaudio")
        stub.__spec__, stub.__version__ = importlib.machinery.ModuleSpec("torchaudio", None), "2.9.0"
        sys.modules["torchaudio"] = stub
    from speechbrain.lobes.features import Fbank
    from speechbrain.processing.features import InputNormalization

    features = {}
    for n_mels in (24, 80):
        fbank = Fbank(n_mels=n_mels)(torch.tensor(samples, dtype=torch.float32)[None])
        normalised = InputNormalization(norm_type="sentence", std_norm=False)(fbank, torch.ones(1))
        features[f"speechbrain{n_mels}.fbank"] = fbank[0].numpy()
        features[f"speechbrain{n_mels}.normalised"] = normalised[0].numpy()
    return features


def sliding_window(t, frames, cmn_window=600, min_window=100, center=False):
    """First frame and the one after the last. A window that would begin before the utterance is moved right, one that would end
    after it left, both as far as there are frames; without `center` it never looks past frame t, except to hold min_window frames."""
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
    out = np.empty_like(x, dtype=np.float64)
    for t in range(len(x)):
        start, end = sliding_window(t, len(x), **options)
        window = x[start:end].astype(np.float64)
        out[t] = x[t] - window.mean(0)
        if variance:
            out[t] = out[t] / np.sqrt(np.maximum(window.var(0), 1e-10)) if end - start > 1 else 0
    return out


def cmvn():
    walk = np.cumsum(np.random.default_rng(SEED).standard_normal((750, 4)), 0) * [1, 0.1, 0.5, 2] + [0, 10, -20, 5]
    x = walk.astype(np.float32)
    stats = knf.compute_cmvn_stats(x)
    with_variance = knf.CmvnOptions()
    with_variance.norm_vars = True
    return {
        "cmvn.features": x,
        "cmvn.mean": knf.apply_cmvn(stats, knf.CmvnOptions(), x),
        "cmvn.mean_variance": knf.apply_cmvn(stats, with_variance, x),
        "cmvn.sliding": sliding_cmvn(x),
        "cmvn.sliding_centred": sliding_cmvn(x, center=True),
        "cmvn.sliding_variance": sliding_cmvn(x, center=True, variance=True),
    }


def vad_energy(log_energy, threshold=5.0, mean_scale=0.5, context=0, proportion=0.6):
    """A frame is speech if enough of the frames around it are louder than the threshold."""
    loud = log_energy > threshold + mean_scale * log_energy.mean(dtype=np.float64)
    speech = []
    for t in range(len(loud)):
        votes = loud[max(t - context, 0) : t + context + 1]
        speech.append(votes.sum() >= np.float32(len(votes)) * np.float32(proportion))
    return np.array(speech, dtype=np.float32)


def vad():
    rng = np.random.default_rng(SEED + 1)
    phases = np.repeat(rng.choice([6.0, 14.0], 25), 8)
    log_energy = (phases + 2.5 * rng.standard_normal(200)).astype(np.float32)
    return {
        "vad.log_energy": log_energy,
        "vad.default": vad_energy(log_energy),
        "vad.sre16": vad_energy(log_energy, threshold=5.5, context=2, proportion=0.12),
        "vad.strict": vad_energy(log_energy, context=2, proportion=0.6),
    }


def golden():
    samples = (np.round(speech_like(9600) * 32768) + 200) / 32768
    layers = {"samples": samples, **kaldi_features(samples), **speechbrain_features(samples), **cmvn(), **vad()}
    return {name: np.ascontiguousarray(value, dtype="<f4") for name, value in layers.items()}


def read_wav(path):
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2), path
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768.0


def write_features(folder, paths):
    for path in map(pathlib.Path, paths):
        samples = read_wav(path)
        features = {**kaldi_features(samples), **speechbrain_features(samples)}
        save_file(features, pathlib.Path(folder) / f"{path.stem}.safetensors")


def speed():
    """Medians of 11 runs. Twice the frames of the same samples, less once, is the time without the copy from Python."""
    noise = [float(x) for x in np.random.default_rng(SEED).uniform(-1, 1, 60 * 16000).astype(np.float32)]

    def seconds(num_bins, shift_ms):
        options = knf_options(knf.FbankOptions(), dict(frame_shift_ms=shift_ms), dict(num_bins=num_bins), {})
        extractor = knf.OnlineFbank(options)
        start = time.perf_counter()
        extractor.accept_waveform(16000, noise)
        return time.perf_counter() - start

    for num_bins in (23, 80):
        runs = np.array([[seconds(num_bins, shift) for shift in (10, 5)] for _ in range(11)])
        whole, twice = np.median(runs, 0)
        print(f"kaldi-native-fbank {knf.__version__}, {num_bins} bands, 60 s: {1e3 * whole:.1f} ms, of which features", end=" ")
        print(f"{1e3 * (twice - whole):.1f} ms")


def main():
    if sys.argv[1:2] == ["features"]:
        return write_features(sys.argv[2], sys.argv[3:])
    if sys.argv[1:] == ["speed"]:
        return speed()
    here = pathlib.Path(__file__).resolve()
    signature = {
        "made_by": "tools/golden_kaldi.py",
        "script_sha256": hashlib.sha256(here.read_bytes()).hexdigest(),
        "seed": str(SEED),
        **{name: importlib.metadata.version(name) for name in ("numpy", "torch", "kaldi-native-fbank", "speechbrain")},
    }
    out = here.parent.parent / "tests" / "golden" / "kaldi.safetensors"
    # One key: safetensors writes several in any order, and the file would differ from run to run.
    save_file(golden(), out, metadata={"signature": json.dumps(signature)})
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
