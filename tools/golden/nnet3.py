#!/usr/bin/env python3
"""Golden values of the Kaldi importer: a small x-vector network with random weights in Kaldi's
format, and its outputs.

    python tools/golden/nnet3.py        writes into tests/golden/import: final.raw (binary),
                                        final.txt (text), mfcc.conf, vad.conf, nnet3.safetensors,
                                        nnet3-vad.safetensors

The files follow Kaldi's documented format (base/io-funcs, nnet3/nnet-nnet, the components' Write).
The embedding is computed in numpy (f64) from the components' definitions, frame by frame: affine
maps of appended frames, ReLU, batch norm in test mode, mean and standard deviation (variance
floored), and the affine map tdnn6.affine. Before that, the mean of a centred window of 300 frames
is subtracted, as apply-cmvn-sliding does.

nnet3-vad.safetensors begins at samples: kaldi-native-fbank's MFCC of them, whose first coefficient
is the log energy; the frames that compute-vad classifies as speech by its documented definition,
with both recipes' options and with those of vad.conf. The sliding mean of all frames is subtracted
and only the speech frames are kept. Needs numpy, safetensors and kaldi-native-fbank. Bit-identical
with the same versions.
"""

import json
import struct
from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np
from safetensors.numpy import save_file

from persona.kaldi_definitions import vad_energy
from persona.synthetic_audio import speech_like

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden" / "import"
DIM, FRAMES, EPSILON, FLOOR = 5, 320, 0.001, 1e-10
LAYERS = [
    ("tdnn1", [-2, -1, 0, 1, 2], 7),
    ("tdnn2", [-2, 0, 2], 6),
    ("tdnn3", [-3, 0, 3], 8),
    ("tdnn4", [0], 7),
    ("tdnn5", [0], 9),
]
EMBEDDING, TARGETS = 6, 4


class Writer:
    """Writer of Kaldi's formats: WriteToken, WriteBasicType and the matrices' Write."""

    def __init__(self, binary):
        self.binary, self.out = binary, bytearray(b"\0B" if binary else b"")

    def token(self, word):
        self.out += word.encode() + b" "

    def line(self, text=""):
        self.out += text.encode() + b"\n"

    def int(self, value):
        self.out += struct.pack("<bi", 4, value) if self.binary else f"{value} ".encode()

    def float(self, value):
        self.out += (
            struct.pack("<bf", 4, value) if self.binary else f"{np.float32(value)!s} ".encode()
        )

    def double(self, value):
        self.out += struct.pack("<bd", 8, value) if self.binary else f"{value} ".encode()

    def bool(self, value):
        self.out += (b"T" if value else b"F") + (b"" if self.binary else b" ")

    def vector(self, values):
        values = np.asarray(values, np.float32)
        if self.binary:
            self.token("FV")
            self.int(len(values))
            self.out += values.tobytes()
        else:
            self.out += (" [ " + " ".join(str(v) for v in values) + " ]\n").encode()

    def matrix(self, values):
        values = np.asarray(values, np.float32)
        if self.binary:
            self.token("FM")
            self.int(values.shape[0])
            self.int(values.shape[1])
            self.out += values.tobytes()
        else:
            rows = "".join("\n  " + " ".join(str(v) for v in row) for row in values)
            self.out += f" [{rows} ]\n".encode()

    def end(self, kind):
        self.token(f"</{kind}>")
        if not self.binary:
            self.line()


def updatable(w, kind):
    w.token(f"<{kind}>")
    if w.binary:
        w.token("<MaxChange>")
        w.float(0.75)
    w.token("<LearningRate>")
    w.float(0.001)


def affine(w, name, params, kind="NaturalGradientAffineComponent"):
    w.token("<ComponentName>")
    w.token(name)
    updatable(w, kind)
    w.token("<LinearParams>")
    w.matrix(params["weight"])
    w.token("<BiasParams>")
    w.vector(params["bias"])
    if kind == "NaturalGradientAffineComponent":
        for tag, value in [("<RankIn>", 20), ("<RankOut>", 80), ("<UpdatePeriod>", 4)]:
            w.token(tag)
            w.int(value)
        for tag, value in [("<NumSamplesHistory>", 2000.0), ("<Alpha>", 4.0)]:
            w.token(tag)
            w.float(value)
    if w.binary:
        w.end(kind)
    else:  # as early versions of Kaldi wrote it
        w.token("<IsGradient>")
        w.bool(False)
        w.token(f"<{kind}>")
        w.line()


def nonlinear(w, name, dim, kind):
    w.token("<ComponentName>")
    w.token(name)
    w.token(f"<{kind}>")
    w.token("<Dim>")
    w.int(dim)
    for tag in ["<ValueAvg>", "<DerivAvg>"]:
        w.token(tag)
        w.vector(np.full(dim, 0.5))
    w.token("<Count>")
    w.double(1000.0)
    if w.binary:
        w.token("<OderivRms>")
        w.vector(np.zeros(0))
        w.token("<OderivCount>")
        w.double(0.0)
    w.token("<NumDimsSelfRepaired>")
    w.double(0.0)
    w.token("<NumDimsProcessed>")
    w.double(0.0)
    w.end(kind)


def batch_norm(w, name, params):
    dim = len(params["mean"])
    w.token("<ComponentName>")
    w.token(name)
    w.token("<BatchNormComponent>")
    for tag in ["<Dim>", "<BlockDim>"]:
        w.token(tag)
        w.int(dim)
    for tag, value in [("<Epsilon>", EPSILON), ("<TargetRms>", params["target"])]:
        w.token(tag)
        w.float(value)
    w.token("<TestMode>")
    w.bool(False)
    w.token("<Count>")
    w.float(5000.0)
    for tag, value in [("<StatsMean>", params["mean"]), ("<StatsVar>", params["variance"])]:
        w.token(tag)
        w.vector(value)
    w.end("BatchNormComponent")


def statistics(w, dim):
    w.token("<ComponentName>")
    w.token("stats-extraction-0-10000")
    w.token("<StatisticsExtractionComponent>")
    for tag, value in [("<InputDim>", dim), ("<InputPeriod>", 1), ("<OutputPeriod>", 1)]:
        w.token(tag)
        w.int(value)
    w.token("<IncludeVarinance>")  # Kaldi's spelling
    w.bool(True)
    w.end("StatisticsExtractionComponent")
    w.token("<ComponentName>")
    w.token("stats-pooling-0-10000")
    w.token("<StatisticsPoolingComponent>")
    pooling = [
        ("<InputDim>", 2 * dim + 1),
        ("<InputPeriod>", 1),
        ("<LeftContext>", 0),
        ("<RightContext>", 10000),
        ("<NumLogCountFeatures>", 0),
    ]
    for tag, value in pooling:
        w.token(tag)
        w.int(value)
    w.token("<OutputStddevs>")
    w.bool(True)
    w.token("<VarianceFloor>")
    w.float(FLOOR)
    w.end("StatisticsPoolingComponent")


def config():
    """The lines before the components, as Kaldi writes them, with explicit offsets."""
    lines, source = [f"input-node name=input dim={DIM}"], "input"

    def node(name, what):
        lines.append(f"component-node name={name} component={name} input={what}")

    for name, context, _ in LAYERS + [("tdnn6", [0], EMBEDDING), ("tdnn7", [0], EMBEDDING)]:
        if name == "tdnn6":
            node("stats-extraction-0-10000", source)
            node("stats-pooling-0-10000", "stats-extraction-0-10000")
            source = "Round(stats-pooling-0-10000, 1)"
        frames = [source if t == 0 else f"Offset({source}, {t})" for t in context]
        node(f"{name}.affine", frames[0] if len(frames) == 1 else f"Append({', '.join(frames)})")
        node(f"{name}.relu", f"{name}.affine")
        node(f"{name}.batchnorm", f"{name}.relu")
        source = f"{name}.batchnorm"
    node("output.affine", source)
    node("output.log-softmax", "output.affine")
    lines.append("output-node name=output input=output.log-softmax objective=linear")
    return lines


def draw():
    rng = np.random.default_rng(20)

    def dense(o, i):
        return {
            "weight": rng.normal(size=(o, i)) * (2 / i) ** 0.5,
            "bias": 0.3 * rng.normal(size=o),
        }

    def norm(n):
        return {"mean": rng.normal(size=n), "variance": rng.uniform(0.2, 2, n), "target": 1.0}

    network, inputs = {}, DIM
    for name, context, dim in LAYERS:
        network[f"{name}.affine"], network[f"{name}.batchnorm"] = (
            dense(dim, inputs * len(context)),
            norm(dim),
        )
        inputs = dim
    for name, i in [("tdnn6", 2 * inputs), ("tdnn7", EMBEDDING)]:
        network[f"{name}.affine"], network[f"{name}.batchnorm"] = (
            dense(EMBEDDING, i),
            norm(EMBEDDING),
        )
    network["output.affine"] = dense(TARGETS, EMBEDDING)

    def rounded(value):
        return np.asarray(value, np.float32).astype(float)  # to the precision of the file

    network = {
        name: {key: rounded(value) for key, value in part.items()} for name, part in network.items()
    }
    return network, rounded(
        3 * rng.normal(size=(FRAMES, DIM)) + np.linspace(-4, 4, FRAMES)[:, None]
    )


def write(path, network, binary):
    w = Writer(binary)
    w.token("<Nnet3>")
    w.line()
    for line in [*config(), ""]:
        w.line(line)
    names = [name for name, _, _ in LAYERS] + ["tdnn6", "tdnn7"]
    w.token("<NumComponents>")
    w.int(3 * len(names) + 4)
    if not binary:
        w.line()
    for name in names:
        if name == "tdnn6":
            statistics(w, LAYERS[-1][2])
        affine(w, f"{name}.affine", network[f"{name}.affine"])
        nonlinear(
            w, f"{name}.relu", len(network[f"{name}.affine"]["bias"]), "RectifiedLinearComponent"
        )
        batch_norm(w, f"{name}.batchnorm", network[f"{name}.batchnorm"])
    affine(w, "output.affine", network["output.affine"])
    nonlinear(w, "output.log-softmax", TARGETS, "LogSoftmaxComponent")
    w.token("</Nnet3>")
    path.write_bytes(w.out)


def subtract_sliding_mean(x, window=300):
    """apply-cmvn-sliding --center=true: at its ends the window is moved into the utterance."""
    out = np.empty_like(x)
    for t in range(len(x)):
        start = max(0, t - window // 2)
        end = start + window
        if end > len(x):
            start, end = max(0, start - (end - len(x))), len(x)
        out[t] = x[t] - x[start:end].mean(axis=0)
    return out


def utterance():
    """[n] at 8 kHz, 4 s: two segments of a voice, a quiet one, and faint noise between them,
    rounded to 16 bits and then to f16."""
    rng = np.random.default_rng(21)
    x = 1e-3 * rng.standard_normal(32000)
    for start, gain in [(2000, 1.0), (14500, 0.8), (26000, 0.02)]:
        voice = speech_like(9600)[::2] if gain < 0.1 else speech_like(18000)[::2]
        x[start : start + len(voice)] += gain * voice
    return (np.round(x * 32768) / 32768).astype(np.float16).astype(np.float32)


def mfcc(samples):
    """MFCC with the options of mfcc.conf: [frames, DIM]."""
    options = knf.MfccOptions()
    options.frame_opts.samp_freq, options.frame_opts.dither, options.frame_opts.snip_edges = (
        8000,
        0.0,
        False,
    )
    options.num_ceps = DIM
    online = knf.OnlineMfcc(options)
    online.accept_waveform(8000, (samples * 32768).tolist())
    online.input_finished()
    return np.array([online.get_frame(t) for t in range(online.num_frames_ready)])


VAD = {
    "recipe": {"threshold": 5.5, "context": 2, "proportion": 0.12},
    "conf": {"threshold": 4.0, "context": 5, "proportion": 0.6},
}


def from_samples(network):
    samples = utterance()
    features = mfcc(samples)
    values = {"samples": samples.astype(np.float16), "features": features.astype(np.float32)}
    for name, options in VAD.items():
        speech = vad_energy(features[:, 0], **options) > 0
        margin = np.abs(
            features[:, 0] - options["threshold"] - 0.5 * features[:, 0].mean(dtype=np.float64)
        ).min()
        assert margin > 1e-3, "a frame's energy is so close to the threshold that rounding decides"
        values[f"seen.{name}"] = np.array([speech.sum()], np.float32)
        values[f"embedding.{name}"] = forward(
            network, subtract_sliding_mean(features.astype(float))[speech]
        ).astype(np.float32)
        print(name, f"{speech.sum()} of {len(speech)} frames, margin {margin:.3f}")
    return values


def forward(network, x):
    """Features minus their mean [frames, DIM] → embedding."""
    for name, context, _ in LAYERS:
        part, norm = network[f"{name}.affine"], network[f"{name}.batchnorm"]
        rows = []
        for t in range(-context[0], len(x) - context[-1]):
            appended = np.concatenate([x[t + offset] for offset in context])
            rows.append(np.maximum(0, part["weight"] @ appended + part["bias"]))
        scale = norm["target"] / np.sqrt(norm["variance"] + np.float32(EPSILON))
        x = (np.array(rows) - norm["mean"]) * scale
    variance = np.maximum(FLOOR, (x**2).mean(axis=0) - x.mean(axis=0) ** 2)
    pooled = np.concatenate([x.mean(axis=0), np.sqrt(variance)])
    return network["tdnn6.affine"]["weight"] @ pooled + network["tdnn6.affine"]["bias"]


def main():
    network, features = draw()
    GOLDEN.mkdir(parents=True, exist_ok=True)
    write(GOLDEN / "final.raw", network, binary=True)
    write(GOLDEN / "final.txt", network, binary=False)
    (GOLDEN / "mfcc.conf").write_text(
        "--sample-frequency=8000 # telephone\n--num-ceps=5\n--snip-edges=false\n"
    )
    (GOLDEN / "vad.conf").write_text(
        "--vad-energy-threshold=4 # more is speech\n--vad-frames-context=5\n"
    )
    signature = {"made_by": "tools/golden/nnet3.py", "numpy": np.__version__}
    values = {
        "features": features.astype(np.float32),
        "embedding": forward(network, subtract_sliding_mean(features)).astype(np.float32),
    }
    save_file(values, GOLDEN / "nnet3.safetensors", metadata={"golden": json.dumps(signature)})
    signature["kaldi_native_fbank"] = knf.__version__
    save_file(
        from_samples(network),
        GOLDEN / "nnet3-vad.safetensors",
        metadata={"golden": json.dumps(signature)},
    )


if __name__ == "__main__":
    main()
