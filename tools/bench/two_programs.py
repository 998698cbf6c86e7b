#!/usr/bin/env python3
"""Times two builds of the program in turn: a cold 3 s clip, a 60 s file, a batch of 1,000 clips, requests to the server.

    python3 tools/bench/two_programs.py BEFORE AFTER [--rounds 15] [--json]

Every round runs each case once with each program, in alternating order. Prints the medians and the
median of the ratios AFTER / BEFORE, round by round. Needs Python alone.
"""

import argparse
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import wave
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SPEECH = ROOT / "tests/audio/speech.wav"
BATCH_FILES, REQUESTS, CLIENTS = 1_000, 300, 2


def clip(path, seconds):
    """Writes a WAV of this length that repeats the sample's speech."""
    with wave.open(str(SPEECH)) as source:
        parameters, data = source.getparams(), source.readframes(source.getnframes())
    size = int(seconds * parameters.framerate) * parameters.sampwidth
    with wave.open(str(path), "wb") as out:
        out.setparams(parameters)
        out.writeframes((data * (1 + size // len(data)))[:size])
    return path


def process(program, arguments):
    """CPU seconds (user and system) and wall seconds of a whole process."""
    began = time.perf_counter()
    child = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    if status != 0:
        sys.exit(f"{program} {' '.join(arguments)}: status {status}")
    return usage.ru_utime + usage.ru_stime, wall


def requests(program, sound):
    """Seconds per request with two clients at once, and the 99th percentile of the latency."""
    arguments = [program, "serve", "--bind", "127.0.0.1:0", "--log", "off", "--model", "xvector-cnn"]
    server = subprocess.Popen(arguments, stderr=subprocess.PIPE)
    port = None
    while port is None:
        found = re.search(rb"127\.0\.0\.1:(\d+)", server.stderr.readline())
        port = found and int(found[1])
    latencies = []

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(REQUESTS // CLIENTS):
            began = time.perf_counter()
            connection.request("POST", "/v1/predict", sound, {"Content-Type": "audio/wav"})
            answer = connection.getresponse()
            if answer.status != 200:
                sys.exit(f"{program} serve: status {answer.status}")
            answer.read()
            latencies.append(time.perf_counter() - began)

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.perf_counter() - began
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=60)
    return taken / REQUESTS, sorted(latencies)[int(0.99 * len(latencies))]


def cases(folder):
    """(name, what a round measures): each a function of the program that gives named seconds."""
    three, minute = clip(folder / "3s.wav", 3), clip(folder / "60s.wav", 60)
    listed = folder / "list.csv"
    listed.write_text("file\n" + f"{three}\n" * BATCH_FILES)
    sound = three.read_bytes()

    def timed(arguments):
        def run(program):
            cpu, wall = process(program, arguments)
            return {"CPU": cpu, "wall": wall}

        return run

    def served(program):
        request, slowest = requests(program, sound)
        return {"per request": request, "99th percentile": slowest}

    yield "3 s, default", timed(["infer", str(three)])
    yield "3 s, xvector-cnn", timed(["infer", str(three), "--model", "xvector-cnn"])
    yield "60 s, default", timed(["infer", str(minute)])
    yield "60 s, xvector-cnn", timed(["infer", str(minute), "--model", "xvector-cnn"])
    yield f"batch of {BATCH_FILES}, xvector-cnn", timed(["batch", str(listed), "--model", "xvector-cnn", "--jobs", "1", "--quiet"])
    yield f"server, {REQUESTS} requests", served


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of the short cases; the long ones take a third")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    programs = [arguments.before, arguments.after]
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, run in cases(Path(folder)):
            short = name.startswith("3 s")
            rounds = arguments.rounds if short else max(3, arguments.rounds // 3)
            for program in programs:
                run(program)  # not counted: fills the system's caches
            taken = []
            for number in range(rounds):
                order = programs if number % 2 == 0 else programs[::-1]
                measured = {program: run(program) for program in order}
                taken.append([measured[program] for program in programs])
            for figure in taken[0][0]:
                pairs = [(before[figure], after[figure]) for before, after in taken]
                before, after = (statistics.median(side) for side in zip(*pairs))
                ratio = statistics.median(b / a for a, b in pairs)
                results[f"{name}: {figure}"] = {"before_s": before, "after_s": after, "ratio": ratio}
                print(f"{name:28} {figure:16} {1e3 * before:9.2f} ms {1e3 * after:9.2f} ms   ratio {ratio:.3f}", flush=True)
    if arguments.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
