"""Speed of WavLM, side by side: this engine, transformers on PyTorch, and ONNX Runtime, in turn in one run.

    python tools/bench_wavlm.py prepare FOLDER SPEECH.wav [--size base] [--seconds 10 60]
    python tools/bench_wavlm.py run FOLDER target/release/persona-engine [--size base] [--seconds 10] [--threads 1] [--rounds 5] [--no-pytorch]
                                    [--rust-peers tools/rust_peers/target/release/rust_peers]

SPEECH: a 16 kHz recording; it is repeated to each length. Each reads the whole length as one window, which is the same computation; the weights are
seeded random ones (speed does not depend on them). Printed are seconds by the clock, so nothing else should run: the median, and how many times as fast
as ONNX Runtime in f32 (median of the rounds' ratios). The times are those of the network alone; this engine's is that of the second of two recordings
in one process, and beside it stands that from a file's bytes to its answer. ONNX Runtime's int8 is its dynamic quantisation of all matrix products; its
convolutions stay in f32, as they would be slower. With --windows also this engine on the same audio in windows of 3 s, as `infer` takes long
recordings of a system that tools/train_heads.py made: that is another computation, whose attention ends at the window's ends.
With --rust-peers also rten, tract and candle (tools/rust_peers); what one of them cannot run is said.
Needs `pip install transformers onnx onnxruntime onnxscript`.
"""
import argparse
import json
import statistics
import subprocess
import time
from pathlib import Path

import numpy
import onnxruntime
import soundfile
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

import check_wavlm
from rust_runtimes import RUNTIMES, Refused, RustRuntime

RATE = 16000


def prepare(folder, speech, size, lengths):
    """System files with windows of 60 and 3 s, each length's audio, and the model as ONNX for it."""
    model = check_wavlm.seeded(size)
    for window in (60, 3):
        check_wavlm.write_system(folder / f"windows-{window}", size, model, window_s=float(window))
    samples, rate = soundfile.read(speech, dtype="float32")
    assert rate == RATE and samples.ndim == 1, "a mono recording at 16 kHz"
    for seconds in lengths:
        signal = numpy.resize(samples, seconds * RATE)
        soundfile.write(folder / f"{seconds}.wav", signal, RATE, subtype="FLOAT")
        names = {"input_names": ["samples"], "output_names": ["hidden"]}
        torch.onnx.export(model, (torch.from_numpy(signal)[None],), folder / f"{size}-{seconds}.onnx", dynamo=True, external_data=True, **names)


def ours(program, system, audio, threads, precision):
    """Seconds of the network, and from a recording's bytes to its answer; a first one has warmed the process."""
    options = ["--json", "--quiet", "--no-activity", "--threads", str(threads), "--precision", precision, "--model", system]
    lines = subprocess.run([program, "infer", *options, audio, audio], check=True, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(lines[1])["timings_ms"][part] / 1000 for part in ("network", "total")]


def timed(run):
    began = time.perf_counter()
    run()
    return [time.perf_counter() - began]


def onnx_session(arguments, file):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = arguments.threads, 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def in_int8(exported):
    """The quantised file beside an exported one."""
    quantised = exported.with_name(f"{exported.stem}-int8.onnx")
    if not quantised.exists():
        quantize_dynamic(exported, quantised, op_types_to_quantize=["MatMul", "Gemm"], weight_type=QuantType.QInt8)
    return quantised


def competitors(arguments, seconds):
    """{name: a function that takes the time of one pass}."""
    folder, size, threads = arguments.folder, arguments.size, arguments.threads
    audio = folder / f"{seconds}.wav"
    samples = torch.from_numpy(soundfile.read(audio, dtype="float32")[0])[None]
    system = lambda window: folder / f"windows-{window}" / f"wavlm-{size}.safetensors"
    engine = lambda window, precision: lambda: ours(arguments.program, system(window), audio, threads, precision)
    exported = folder / f"{size}-{seconds}.onnx"
    found = {}
    hidden = {}
    for precision, file in (("f32", exported), ("int8", in_int8(exported))):
        session, feeds = onnx_session(arguments, file), {"samples": samples.numpy()}
        hidden[precision] = session.run(["hidden"], feeds)[0]
        found[f"ONNX Runtime {onnxruntime.__version__}, {precision}"] = lambda session=session: timed(lambda: session.run(["hidden"], feeds))
    for precision in ("f32", "int8"):
        found[f"this engine, {precision}"] = engine(60, precision)
    if not arguments.no_pytorch:
        model = check_wavlm.seeded(size)
        model(samples[:, :RATE])
        found[f"transformers on PyTorch {torch.__version__}"] = lambda: timed(lambda: model(samples))
    for runtime in RUNTIMES if arguments.rust_peers else ():
        try:
            found[runtime] = in_rust(runtime, arguments, exported, samples.numpy(), hidden["f32"])
        except Refused as reason:
            print(f"{runtime} does not run it: {reason}")
    if arguments.windows:
        found["this engine, f32, in windows of 3 s (not the same)"] = engine(3, "f32")
    return found


def in_rust(runtime, arguments, model, samples, expected):
    """A function that takes the time of one pass, if that gives what ONNX Runtime gave."""
    network = RustRuntime(arguments.rust_peers, runtime, model, arguments.threads, samples, arguments.folder)
    network.seconds(1)
    difference = abs(network.outputs()[: expected.size] - expected.ravel()).max() / abs(expected).max()
    print(f"{runtime}: largest difference {difference:.1e} of the largest value")
    if not difference < 1e-3:
        raise Refused("its results are wrong")
    return lambda: [network.seconds(1)]


def run(arguments):
    torch.set_num_threads(arguments.threads)
    for seconds in arguments.seconds:
        each = competitors(arguments, seconds)
        taken = {name: [] for name in each}
        for _ in range(arguments.rounds):
            for name, pass_time in each.items():
                taken[name].append(pass_time())
        print(f"\nWavLM {arguments.size}, {seconds} s, {arguments.threads} thread(s), {arguments.rounds} rounds: median, times as fast as ONNX Runtime f32, range")
        reference = [network for network, *_ in next(iter(taken.values()))]
        for name, spent in taken.items():
            network = [one[0] for one in spent]
            ratio = statistics.median(theirs / own for theirs, own in zip(reference, network))
            whole = "".join(f"   file to answer {statistics.median(one[1] for one in spent):.3f} s" for _ in spent[0][1:])
            print(f"  {name:44} {statistics.median(network):8.3f} s   {ratio:5.2f}   ({min(network):.3f} to {max(network):.3f}){whole}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["prepare", "run"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("program", type=Path, metavar="SPEECH.wav|PROGRAM")
    parser.add_argument("--size", choices=check_wavlm.SIZES, default="base")
    parser.add_argument("--seconds", nargs="+", type=int, default=[10, 60])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-pytorch", action="store_true")
    parser.add_argument("--windows", action="store_true")
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
