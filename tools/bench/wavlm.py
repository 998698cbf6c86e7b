#!/usr/bin/env python3
"""Benchmarks WavLM: this engine, transformers on PyTorch, and ONNX Runtime, in turn in one run.

    python tools/bench/wavlm.py prepare FOLDER SPEECH.wav [--size base] [--seconds 10 60]
    python tools/bench/wavlm.py run FOLDER target/release/persona-engine [--size base]
            [--seconds 10] [--threads 1] [--rounds 5] [--no-pytorch] [--windows]
            [--rust-peers tools/bench/rust_peers/target/release/rust_peers]

SPEECH is a 16 kHz recording, which is repeated to each length. Every contestant processes the whole
length as one chunk, which is the same computation. The weights are seeded random ones, on which
speed does not depend. Prints wall-clock seconds, so nothing else should run: the median, and the
speed relative to ONNX Runtime in f32 (median of the rounds' ratios).

The times are those of the network alone. This engine's is that of the second of two recordings in
one process, followed by the time from a file's bytes to its answer. ONNX Runtime's int8 is its
dynamic quantisation of all matrix products; its convolutions stay in f32, which is faster.
--windows adds this engine on the same audio in chunks of 3 s, the way `infer` processes long
recordings; this is another computation, whose attention ends at the chunk's ends. --rust-peers adds
rten, tract and candle; a runtime that cannot run the network is reported. Needs
tools/requirements.lock.
"""

import argparse
import json
import statistics
import subprocess
from pathlib import Path

import numpy
import onnxruntime
import soundfile
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from persona import benchmark, wavlm, wavlm_model
from persona.python_pipeline import session
from persona.rust_runtimes import RUNTIMES, RustRuntime, UnsupportedError

RATE = 16000
MADE_BY = "tools/bench/wavlm.py"
WHOLE_S, CHUNK_S = 60, 3


def prepare(folder, speech, size, lengths):
    """Writes model files with chunks of 60 and 3 s, each length's audio, and the ONNX network."""
    model = wavlm.seeded(size)
    for chunk_s in (WHOLE_S, CHUNK_S):
        target = folder / f"chunks-{chunk_s}"
        wavlm_model.write(target, size, model, MADE_BY, chunk_s=float(chunk_s))
    samples, rate = soundfile.read(speech, dtype="float32")
    assert rate == RATE and samples.ndim == 1, f"{speech}: mono at 16 kHz expected"
    for seconds in lengths:
        signal = numpy.resize(samples, seconds * RATE)
        soundfile.write(folder / f"{seconds}.wav", signal, RATE, subtype="FLOAT")
        torch.onnx.export(
            model,
            (torch.from_numpy(signal)[None],),
            folder / f"{size}-{seconds}.onnx",
            dynamo=True,
            external_data=True,
            input_names=["samples"],
            output_names=["hidden"],
        )


def ours(program, model, audio, threads, precision):
    """Seconds of the network, and from a recording's bytes to its answer, for the second of two
    recordings."""
    options = ["--json", "--quiet", "--no-activity", "--threads", str(threads)]
    options += ["--precision", precision, "--model", model]
    command = [program, "infer", *options, audio, audio]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    timings = json.loads(done.stdout.splitlines()[1])["timings_ms"]
    return [timings[part] / 1000 for part in ("network", "total")]


def in_int8(exported):
    """The quantised copy of an exported file."""
    quantised = exported.with_name(f"{exported.stem}-int8.onnx")
    if not quantised.exists():
        quantize_dynamic(
            exported,
            quantised,
            op_types_to_quantize=["MatMul", "Gemm"],
            weight_type=QuantType.QInt8,
        )
    return quantised


def contestants(arguments, seconds):
    """{name: a function that returns the seconds of one pass}."""
    folder, size, threads = arguments.folder, arguments.size, arguments.threads
    audio = folder / f"{seconds}.wav"
    samples = torch.from_numpy(soundfile.read(audio, dtype="float32")[0])[None]

    def engine(chunk_s, precision):
        model = folder / f"chunks-{chunk_s}" / f"wavlm-{size}.safetensors"
        return lambda: ours(arguments.program, model, audio, threads, precision)

    exported = folder / f"{size}-{seconds}.onnx"
    found, hidden, feeds = {}, {}, {"samples": samples.numpy()}
    for precision, file in (("f32", exported), ("int8", in_int8(exported))):
        opened = session(file, threads)
        hidden[precision] = opened.run(["hidden"], feeds)[0]
        found[f"ONNX Runtime {onnxruntime.__version__}, {precision}"] = lambda opened=opened: [
            benchmark.timed(lambda: opened.run(["hidden"], feeds))
        ]
    for precision in ("f32", "int8"):
        found[f"this engine, {precision}"] = engine(WHOLE_S, precision)
    if not arguments.no_pytorch:
        model = wavlm.seeded(size)
        model(samples[:, :RATE])
        name = f"transformers on PyTorch {torch.__version__}"
        found[name] = lambda: [benchmark.timed(lambda: model(samples))]
    for runtime in RUNTIMES if arguments.rust_peers else ():
        try:
            found[runtime] = in_rust(runtime, arguments, exported, samples.numpy(), hidden["f32"])
        except UnsupportedError as reason:
            print(f"{runtime} cannot run it: {reason}")
    if arguments.windows:
        name = f"this engine, f32, in chunks of {CHUNK_S} s (not the same)"
        found[name] = engine(CHUNK_S, "f32")
    return found


def in_rust(runtime, arguments, model, samples, expected):
    """A function that returns the seconds of one pass, if its output equals ONNX Runtime's."""
    network = RustRuntime(
        arguments.rust_peers, runtime, model, arguments.threads, samples, arguments.folder
    )
    network.seconds(1)
    outputs = network.outputs()[: expected.size]
    difference = abs(outputs - expected.ravel()).max() / abs(expected).max()
    print(f"{runtime}: largest difference {difference:.1e} of the largest value")
    if not difference < 1e-3:
        raise UnsupportedError("its outputs are wrong")
    return lambda: [network.seconds(1)]


def run(arguments):
    torch.set_num_threads(arguments.threads)
    for seconds in arguments.seconds:
        found = contestants(arguments, seconds)
        taken = {name: [] for name in found}
        for _ in range(arguments.rounds):
            for name, one_pass in found.items():
                taken[name].append(one_pass())
        what = f"WavLM {arguments.size}, {seconds} s, {arguments.threads} thread(s)"
        columns = "median, times as fast as ONNX Runtime f32, range"
        print(f"\n{what}, {arguments.rounds} rounds: {columns}")
        reference = [network for network, *_ in next(iter(taken.values()))]
        for name, spent in taken.items():
            print_row(name, spent, reference)


def print_row(name, spent, reference):
    network = [one[0] for one in spent]
    ratios = [theirs / own for theirs, own in zip(reference, network, strict=True)]
    middle, ratio = statistics.median(network), statistics.median(ratios)
    whole = ""
    if len(spent[0]) > 1:
        whole = f"   file to answer {statistics.median(one[1] for one in spent):.3f} s"
    spread = f"({min(network):.3f} to {max(network):.3f})"
    print(f"  {name:44} {middle:8.3f} s   {ratio:5.2f}   {spread}{whole}", flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=["prepare", "run"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("program", type=Path, metavar="SPEECH.wav|PROGRAM")
    parser.add_argument("--size", choices=wavlm.SIZES, default="base")
    parser.add_argument("--seconds", nargs="+", type=int, default=[10, 60])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-pytorch", action="store_true")
    parser.add_argument("--windows", action="store_true", help="also in chunks of 3 s")
    parser.add_argument("--rust-peers")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.step == "prepare":
        prepare(arguments.folder, arguments.program, arguments.size, arguments.seconds)
    else:
        run(arguments)


if __name__ == "__main__":
    with torch.no_grad():
        main()
