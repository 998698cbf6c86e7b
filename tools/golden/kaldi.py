#!/usr/bin/env python3
"""Golden values of the Kaldi and SpeechBrain front-ends: writes tests/golden/kaldi.safetensors.

    python tools/golden/kaldi.py            write the file (bit-identical with the same versions)
    python tools/golden/kaldi.py features FOLDER FILE.wav…
                                            write each file's reference features to
                                            FOLDER/NAME.safetensors instead
    python tools/golden/kaldi.py speed      time kaldi-native-fbank on 60 s of noise, one thread

Needs tools/requirements.lock. SpeechBrain is imported without torchaudio, which these features do
not use.

    samples                  [9600]    0.6 s at 16 kHz: `speech_like` with an offset
    fbank.NAME                         kaldi-native-fbank with the options FBANK below ("telephone"
                                       takes the samples as if at 8 kHz)
    mfcc.NAME                          kaldi-native-fbank with the options MFCC below
    speechbrainN.fbank                 speechbrain.lobes.features.Fbank with N = 24 and 80 bands
    speechbrainN.normalised            the same after InputNormalization(norm_type="sentence",
                                       std_norm=False)
    cmvn.features            [750, 4]  a random walk
    cmvn.mean, cmvn.mean_variance      kaldi-native-fbank: compute_cmvn_stats and apply_cmvn
    cmvn.sliding, _centred, _variance  persona/kaldi_definitions.py (no package implements it)
    vad.log_energy           [200]
    vad.default, vad.sre16, vad.strict likewise
"""

import hashlib
import importlib.machinery
import importlib.metadata
import json
import pathlib
import sys
import time
import types

import kaldi_native_fbank as knf
import numpy as np
import torch
from safetensors.numpy import save_file

from persona.kaldi_definitions import sliding_cmvn, vad_energy
from persona.synthetic_audio import read_wav, speech_like

SEED = 20240608

# name: (factor of the samples, frame options, mel options, other options)
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
    "telephone": (
        32768,
        dict(samp_freq=8000, snip_edges=False),
        dict(num_bins=24, low_freq=60, high_freq=-400),
        {},
    ),
    "magnitude": (
        32768,
        dict(window_type="rectangular", preemph_coeff=0),
        {},
        dict(use_power=False),
    ),
    "blackman400": (
        32768,
        dict(
            window_type="blackman",
            blackman_coeff=0.4,
            round_to_power_of_two=False,
            frame_shift_ms=12.5,
        ),
        dict(num_bins=30, low_freq=100, high_freq=7000),
        {},
    ),
    "linear": (32768, {}, {}, dict(use_log_fbank=False)),
}
MFCC = {
    "default": (32768, {}, {}, {}),
    "sre16": (
        32768,
        dict(samp_freq=8000, snip_edges=False),
        dict(num_bins=23, high_freq=3700),
        dict(num_ceps=23),
    ),
    "voxceleb": (
        32768,
        dict(snip_edges=False),
        dict(num_bins=30, high_freq=7600),
        dict(num_ceps=30),
    ),
    "htk": (32768, {}, {}, dict(use_energy=False, htk_compat=True)),
    "plain": (1, {}, {}, dict(use_energy=False, cepstral_lifter=0)),
    "windowed_energy": (32768, {}, {}, dict(raw_energy=False, htk_compat=True, energy_floor=1e8)),
}


def knf_options(options, frame, mel, other):
    """Sets options; fails for an unknown name."""
    options.frame_opts.dither = 0
    for part, values in ((options.frame_opts, frame), (options.mel_opts, mel), (options, other)):
        for name, value in values.items():
            assert hasattr(part, name), name
            setattr(part, name, value)
    return options


def knf_run(extractor, samp_freq, samples):
    extractor.accept_waveform(samp_freq, samples)
    extractor.input_finished()
    return np.array(
        [extractor.get_frame(t) for t in range(extractor.num_frames_ready)], dtype=np.float32
    )


def kaldi_features(samples):
    features = {}
    for kind, table, options, extractor in (
        ("fbank", FBANK, knf.FbankOptions, knf.OnlineFbank),
        ("mfcc", MFCC, knf.MfccOptions, knf.OnlineMfcc),
    ):
        for name, (scale, frame, mel, other) in table.items():
            opts = knf_options(options(), frame, mel, other)
            run = knf_run(
                extractor(opts), opts.frame_opts.samp_freq, (samples * scale).astype(np.float32)
            )
            features[f"{kind}.{name}"] = run
    return features


def speechbrain_features(samples):
    if importlib.util.find_spec("torchaudio") is None:
        # SpeechBrain imports it at its top, for other features.
        stub = types.ModuleType("torchaudio")
        stub.__spec__, stub.__version__ = (
            importlib.machinery.ModuleSpec("torchaudio", None),
            "2.9.0",
        )
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


def cmvn():
    walk = np.cumsum(np.random.default_rng(SEED).standard_normal((750, 4)), 0) * [
        1,
        0.1,
        0.5,
        2,
    ] + [0, 10, -20, 5]
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
    layers = {
        "samples": samples,
        **kaldi_features(samples),
        **speechbrain_features(samples),
        **cmvn(),
        **vad(),
    }
    return {name: np.ascontiguousarray(value, dtype="<f4") for name, value in layers.items()}


def write_features(folder, paths):
    for path in map(pathlib.Path, paths):
        samples = read_wav(path)
        features = {**kaldi_features(samples), **speechbrain_features(samples)}
        save_file(features, pathlib.Path(folder) / f"{path.stem}.safetensors")


def speed():
    """Prints medians of 11 runs. The time for twice the frames of the same samples, minus that for
    once, is the time without the copy from Python."""
    noise = [
        float(x) for x in np.random.default_rng(SEED).uniform(-1, 1, 60 * 16000).astype(np.float32)
    ]

    def seconds(num_bins, shift_ms):
        options = knf_options(
            knf.FbankOptions(), dict(frame_shift_ms=shift_ms), dict(num_bins=num_bins), {}
        )
        extractor = knf.OnlineFbank(options)
        start = time.perf_counter()
        extractor.accept_waveform(16000, noise)
        return time.perf_counter() - start

    for num_bins in (23, 80):
        runs = np.array([[seconds(num_bins, shift) for shift in (10, 5)] for _ in range(11)])
        whole, twice = np.median(runs, 0)
        what = f"kaldi-native-fbank {knf.__version__}, {num_bins} bands, 60 s"
        print(f"{what}: {1e3 * whole:.1f} ms, of which features {1e3 * (twice - whole):.1f} ms")


def main():
    if sys.argv[1:2] == ["features"]:
        return write_features(sys.argv[2], sys.argv[3:])
    if sys.argv[1:] == ["speed"]:
        return speed()
    here = pathlib.Path(__file__).resolve()
    signature = {
        "made_by": "tools/golden/kaldi.py",
        "script_sha256": hashlib.sha256(here.read_bytes()).hexdigest(),
        "seed": str(SEED),
        **{
            name: importlib.metadata.version(name)
            for name in ("numpy", "torch", "kaldi-native-fbank", "speechbrain")
        },
    }
    out = here.parents[2] / "tests" / "golden" / "kaldi.safetensors"
    # one key: safetensors writes several in an order that changes from run to run
    save_file(golden(), out, metadata={"signature": json.dumps(signature)})
    print(f"{out}: {out.stat().st_size} bytes")
    return None


if __name__ == "__main__":
    main()
