"""Our engine beside other runtimes: the same weights, the same sound, the same number of threads, in turn in one run.

    python tools/bench_peers.py target/release/persona-engine [--seconds 60] [--rounds 7] [--threads 1] [--json OUT]

Prints the README's table and writes a JSON with every time. For each system of `weights/` that a peer can run:

* network only: features of the whole recording in windows of 3 s → answers. Ours: `timings_ms.network` of `infer --json`; theirs: the PyTorch module of
  `tools/persona/networks.py` with the system file's weights, and its ONNX export in ONNX Runtime (f32, and dynamically quantised to int8). Each peer
  is given the windows one by one and all at once, and the faster way counts.
* file to answer: a WAV on disk → answers, in a process that has everything loaded. Theirs: soundfile, then librosa (log-mel) or kaldi-native-fbank.

Recordings are speech-like noise, made here, so that nothing but this script is needed; the detector of speech is off for it (`--no-activity`), and its time is
in no column. Times are wall-clock; what counts is the median over rounds, each of which runs every contestant once: on a busy machine the ratios hold, the
milliseconds do not.

Needs numpy, torch, safetensors, soundfile, librosa, kaldi-native-fbank, onnx, onnxruntime.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WINDOW_S, RATE_HZ = 3, 16_000


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--systems", nargs="+", default=["campplus-fcn", "xvector-cnn"])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


ARGS = arguments()
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(ARGS.threads)

import kaldi_native_fbank as knf  # noqa: E402
import librosa  # noqa: E402
import numpy as np  # noqa: E402
import onnxruntime as ort  # noqa: E402
import soundfile  # noqa: E402
import torch  # noqa: E402
from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: E402
from safetensors import safe_open  # noqa: E402

sys.path.insert(0, str(ROOT / "tools"))
from persona import campplus  # noqa: E402
from persona.networks import Persona  # noqa: E402

torch.set_num_threads(ARGS.threads)


def segment_means(x, length):
    """That of `persona.campplus` in slices: the exporter's `split` leaves no shorter last segment."""
    parts = [x[:, :, start : start + length] for start in range(0, x.shape[2], length)]
    return torch.cat([part.mean(2, keepdim=True).expand_as(part) for part in parts], dim=2)


campplus.segment_means = segment_means


def recording(path):
    """Noise under a syllable-like envelope: no runtime's time depends on more."""
    random = np.random.default_rng(0)
    n = ARGS.seconds * RATE_HZ
    envelope = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(n) / RATE_HZ)
    soundfile.write(path, (0.1 * envelope * random.standard_normal(n)).astype(np.float32), RATE_HZ, subtype="PCM_16")


def load(name):
    """A system file as PyTorch module, and its manifest."""
    with safe_open(ROOT / f"weights/{name}.safetensors", "pt") as file:
        manifest = json.loads(file.metadata()["persona"])
        state = {key: file.get_tensor(key).float() for key in file.keys()}
    front = manifest["frontend"]
    bands = front["n_mels"] if front["kind"] == "logmel" else front["mel_opts"]["num_bins"]
    module = Persona(bands, manifest["representation"], manifest["trunk"])
    missing, unexpected = module.load_state_dict(state, strict=False)
    assert not unexpected and all(key.endswith("num_batches_tracked") for key in missing), (missing, unexpected)
    return module.eval(), manifest


class Answers(torch.nn.Module):
    """The three answers as a tuple, which an ONNX graph can return."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        answers = self.module(x)
        return answers["emotion"].softmax(1), answers["gender"].softmax(1), answers["age"]


def logmel(front, samples):
    """[n] → [frames, bands], normalised as the system's file says."""
    mel = librosa.feature.melspectrogram(
        y=samples, sr=front["sample_rate_hz"], n_fft=front["n_fft"], hop_length=front["hop_length"], n_mels=front["n_mels"], pad_mode="constant"
    )
    db = librosa.power_to_db(mel, ref=np.max, amin=front["amin"], top_db=front["top_db"])
    normal = front["normalisation"]
    return ((db.T + normal["offset_db"]) / normal["scale_db"]).astype(np.float32)


def kaldi(front, samples):
    """[n] → [frames, bands] without the mean over time."""
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
    samples, _ = soundfile.read(path, dtype="float32")
    make = logmel if front["kind"] == "logmel" else kaldi
    return np.stack([make(front, window) for window in samples.reshape(-1, WINDOW_S * RATE_HZ)])


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = ARGS.threads, 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def faster_way(run, windows):
    """`run` on all windows at once or one by one, whichever takes less time here."""
    ways = {"at once": lambda: run(windows), "one by one": lambda: [run(window[None]) for window in windows]}
    times = {}
    for name, way in ways.items():
        way()
        times[name] = min(timed(way) for _ in range(2))
    best = min(times, key=times.get)
    return ways[best], best


def timed(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def ours(name, precision, path):
    """(network, file to answer) of one file in a process that has answered one before, in seconds."""
    command = [ARGS.program, "infer", "--json", "--no-activity", "--quiet", "--model", name, "--precision", precision, "--threads", str(ARGS.threads), path, path]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    timings = json.loads(lines[-1])["timings_ms"]
    return timings["network"] / 1000, timings["total"] / 1000


def peers(name, path, folder):
    """{contestant: (network call, whole call, how windows are given)}."""
    module, manifest = load(name)
    front = manifest["frontend"]
    windows = features(front, path)
    model = Answers(module).eval()
    exported, quantised = folder / f"{name}.onnx", folder / f"{name}-int8.onnx"
    shapes = {"x": {0: "windows"}}
    torch.onnx.export(
        model, (torch.from_numpy(windows[:2]),), str(exported), input_names=["x"], dynamic_axes=shapes, opset_version=17, dynamo=False
    )
    quantize_dynamic(str(exported), str(quantised), weight_type=QuantType.QUInt8)
    runs = {}
    for label, file in (("ONNX Runtime f32", exported), ("ONNX Runtime int8", quantised)):
        opened = session(file)
        runs[label] = lambda x, opened=opened: opened.run(None, {"x": x})
    with torch.inference_mode():
        runs["PyTorch f32"] = lambda x: model(torch.from_numpy(x))
    contestants = {}
    for label, run in runs.items():
        with torch.inference_mode():
            network, way = faster_way(run, windows)
        at_once = way == "at once"
        whole = lambda run=run, at_once=at_once: [run(x) for x in ([features(front, path)] if at_once else features(front, path)[:, None])]
        contestants[label] = (network, whole, way)
    return contestants


def measure(name, path, folder):
    others = peers(name, path, folder)
    times = {}
    for turn in range(ARGS.rounds):
        for precision in ("int8", "f32"):
            network, whole = ours(name, precision, path)
            times.setdefault(f"persona-engine {precision}", []).append((network, whole))
        with torch.inference_mode():
            for label, (network, whole, _) in others.items():
                times.setdefault(label, []).append((timed(network), timed(whole)))
        print(f"{name}: round {turn + 1} of {ARGS.rounds}", file=sys.stderr)
    ways = {label: way for label, (_, _, way) in others.items()}
    result = {}
    for label, pairs in times.items():
        network, whole = zip(*pairs)
        result[label] = {"network_s": list(network), "file_to_answer_s": list(whole), "windows": ways.get(label, "one by one")}
    return result


def table(results):
    yield "| system | runtime | network only, ms | × ORT f32 | file to answer, ms | × ORT f32 |"
    yield "|---|---|---|---|---|---|"
    for name, of_system in results.items():
        middle = lambda label, key: statistics.median(of_system[label][key])
        base = [middle("ONNX Runtime f32", key) for key in ("network_s", "file_to_answer_s")]
        for label in of_system:
            network, whole = (middle(label, key) for key in ("network_s", "file_to_answer_s"))
            yield f"| {name} | {label} | {1e3 * network:.0f} | {base[0] / network:.2f} | {1e3 * whole:.0f} | {base[1] / whole:.2f} |"


def cpu():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        path = str(folder / "sound.wav")
        recording(path)
        results = {name: measure(name, path, folder) for name in ARGS.systems}
    head = {
        "date": date.today().isoformat(),
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "threads": ARGS.threads,
        "seconds": ARGS.seconds,
        "rounds": ARGS.rounds,
        "versions": {"onnxruntime": ort.__version__, "torch": torch.__version__, "librosa": librosa.__version__},
    }
    if ARGS.json:
        ARGS.json.write_text(json.dumps({**head, "systems": results}, indent=1))
    print(f"{ARGS.seconds} s of sound, {ARGS.threads} thread(s), {head['cpu']}, load {head['load']:.1f}, {head['date']}, median of {ARGS.rounds} rounds, each of all in turn\n")
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
