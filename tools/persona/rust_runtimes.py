"""Driver of bench/rust_peers: rten, tract and candle on an ONNX file, each in a process of its own
that runs once for each line on its standard input.

    RUSTFLAGS="-C target-cpu=native" cargo build --release --features candle \\
        --manifest-path tools/bench/rust_peers/Cargo.toml
"""

import os
import subprocess

import numpy as np

RUNTIMES = ("rten", "tract", "candle")


class UnsupportedError(Exception):
    """The runtime's own message why it cannot run a network."""


class RustRuntime:
    """A network loaded by one of the runtimes, with one input x `[n, …]`, f32, that it processes in
    batches."""

    def __init__(self, program, runtime, model, threads, x, folder):
        environment = {
            **os.environ,
            "RAYON_NUM_THREADS": str(threads),
            "RUST_BACKTRACE": "0",
        }
        self.process = subprocess.Popen(
            [program, runtime, str(model), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.read_line()
        self.input, self.output = folder / f"{runtime}.in.f32", folder / f"{runtime}.out.f32"
        np.ascontiguousarray(x, np.float32).tofile(self.input)
        self.shape = ",".join(map(str, x.shape))

    def read_line(self):
        line = self.process.stdout.readline().strip()
        if not line or line.startswith("error: "):
            message = line.removeprefix("error: ")
            raise UnsupportedError(message or f"the process ended ({self.process.wait()})")
        return line

    def seconds(self, batch):
        """Runs once; seconds."""
        self.process.stdin.write(f"{self.input} {self.output} {self.shape} {batch}\n")
        self.process.stdin.flush()
        return float(self.read_line())

    def outputs(self):
        """The last run's outputs, concatenated."""
        return np.fromfile(self.output, np.float32)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
