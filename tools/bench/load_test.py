#!/usr/bin/env python3
"""Load test of the server over loopback: throughput relative to the engine, latency, overload.

    python3 tools/bench/load_test.py target/release/persona-engine [--model xvector-cnn]
            [--requests 10000] [--json]

1. Throughput of 3 s clips with 1 and 2 workers, in turn with the engine's own (`batch` on the same
   clip, one job per worker, minus start-up).
2. Latency at half of that load, with requests arriving at random times.
3. Many requests at full load: errors, and memory before and after.
4. Four times the capacity: rejected requests, time-outs, and the latency of the next requests.

The client is one thread over all connections. Its CPU time is reported, because a server that
shares two cores with it lacks that time. Prints a line for each result, and JSON with --json. Needs
Python alone.
"""

import argparse
import collections
import json
import math
import os
import random
import selectors
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

TIME_OUT_S = 30.0


def clip(seconds=3.0, rate=16_000):
    """A WAV that the engine classifies as speech: a buzz with gliding pitch, moving formants and a
    varying level."""
    phase, samples = 0.0, []
    for i in range(int(seconds * rate)):
        t = i / rate

        def wave(hz):
            return math.sin(math.tau * hz * t)

        pitch = 140 * (1 + 0.2 * wave(0.9) + 0.1 * wave(2.3))
        phase = (phase + pitch / rate) % 1.0
        formants = (600 + 300 * wave(1.7), 1700 + 600 * wave(2.9))

        def gain(hz):
            return 0.02 + sum(math.exp(-(((hz - f) / 250) ** 2)) for f in formants)

        sound = sum(gain(pitch * k) * math.sin(math.tau * k * phase) for k in range(1, 21))
        samples.append(int(max(-1, min(1, 0.1 * sound * (0.55 + 0.45 * wave(3.5)))) * 32767))
    data = struct.pack(f"<{len(samples)}h", *samples)
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(data),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        rate,
        2 * rate,
        2,
        16,
        b"data",
        len(data),
    )
    return head + data


class Server:
    """The program as a server on a free port."""

    def __init__(self, program, model, *options):
        command = [
            program,
            "serve",
            "--bind",
            "127.0.0.1:0",
            "--model",
            model,
            "--log",
            "off",
            *options,
        ]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        self.port = int(line.rsplit(":", 1)[1].strip().rstrip("/"))

    def metrics(self):
        text = (
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=TIME_OUT_S)
            .read()
            .decode()
        )
        return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))

    def memory_mb(self):
        return float(self.metrics().get("process_resident_memory_bytes", "nan")) / 1e6

    def cpu_s(self):
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)


class Connection:
    """A persistent connection with at most one request in flight. `begin` and `proceed` return None
    while it lasts, then its status or its error's name."""

    def __init__(self, port, body, selector):
        headers = f"Host: load\r\nContent-Type: audio/wav\r\nContent-Length: {len(body)}\r\n"
        head = f"POST /v1/predict HTTP/1.1\r\n{headers}\r\n"
        self.port, self.request, self.selector, self.socket = (
            port,
            memoryview(head.encode() + body),
            selector,
            None,
        )

    def begin(self, due):
        self.due, self.began, self.left, self.received = due, time.perf_counter(), self.request, b""
        try:
            if self.socket is None:
                self.socket = socket.create_connection(("127.0.0.1", self.port), TIME_OUT_S)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(self.request))
                self.socket.setblocking(False)
                self.selector.register(self.socket, selectors.EVENT_READ, self)
            self.send()
        except OSError as error:
            return self.close(type(error).__name__)

    def send(self):
        self.left = self.left[self.socket.send(self.left) :]
        self.selector.modify(
            self.socket, selectors.EVENT_READ | (selectors.EVENT_WRITE if self.left else 0), self
        )

    def proceed(self, events):
        try:
            if events & selectors.EVENT_READ:
                received = self.socket.recv(65536)
                if not received:
                    return self.close("closed within a response")
                self.received += received
                return self.response()
            self.send()
        except OSError as error:
            return self.close(type(error).__name__)

    def response(self):
        head, whole, body = self.received.partition(b"\r\n\r\n")
        if not whole:
            return None
        lines = head.decode().lower().split("\r\n")
        if len(body) < next(int(line[15:]) for line in lines if line.startswith("content-length:")):
            return None
        status = int(lines[0].split()[1])
        return self.close(status) if "connection: close" in lines or self.left else status

    def close(self, outcome):
        if self.socket is not None:
            self.selector.unregister(self.socket)
            self.socket.close()
        self.socket = None
        return outcome


class Tally:
    """Outcomes of requests: a count per status or error, and seconds of those with status 200."""

    def __init__(self):
        self.counts, self.seconds, self.wall_s, self.client_cpu_s = {}, [], 0.0, 0.0

    def add(self, outcome, seconds):
        self.counts[outcome] = self.counts.get(outcome, 0) + 1
        if outcome == 200:
            self.seconds.append(seconds)

    def succeeded(self):
        return self.counts.get(200, 0)

    def succeeded_per_s(self):
        return self.succeeded() / self.wall_s

    def quantile_ms(self, q):
        ordered = sorted(self.seconds)
        return (
            round(1e3 * ordered[min(len(ordered) - 1, int(q * len(ordered)))], 1)
            if ordered
            else math.nan
        )

    def errors(self):
        return {
            str(outcome): count
            for outcome, count in self.counts.items()
            if outcome not in (200, 429)
        }


def drive(port, body, connections, arrivals):
    """Sends a request at each of `arrivals` (seconds from now, in order), or later if no connection
    is free. Times count from the arrival. One thread does everything, to leave the CPU to the
    server."""
    tally, selector = Tally(), selectors.DefaultSelector()
    idle = [Connection(port, body, selector) for _ in range(connections)]
    busy, arrivals, began, cpu = (
        set(),
        collections.deque(arrivals),
        time.perf_counter(),
        time.process_time(),
    )

    def settle(connection, outcome):
        if outcome is None:
            return busy.add(connection)
        busy.discard(connection)
        idle.append(connection)
        tally.add(outcome, time.perf_counter() - connection.due)
        return None

    while arrivals or busy:
        now = time.perf_counter()
        while arrivals and idle and began + arrivals[0] <= now:
            connection, due = idle.pop(), began + arrivals.popleft()
            settle(connection, connection.begin(due if math.isfinite(due) else now))
        wait = min(1.0, began + arrivals[0] - now) if arrivals and idle else 1.0
        ready = selector.select(max(0.0, wait))
        for key, events in ready:
            settle(key.data, key.data.proceed(events))
        if not ready:
            for connection in [each for each in busy if now - each.began > TIME_OUT_S]:
                settle(connection, connection.close("time-out"))
    tally.wall_s, tally.client_cpu_s = time.perf_counter() - began, time.process_time() - cpu
    for connection in idle:
        connection.close(None)
    selector.close()
    return tally


def closed_loop(port, body, clients, requests):
    """Each client sends its next request as soon as it has a response."""
    return drive(port, body, clients, [-math.inf] * requests)


def open_loop(port, body, rate, requests, clients, seed=0):
    """Requests that arrive at random times, `rate` per second, independent of earlier responses, up
    to `clients` in flight; waiting for a free connection counts."""
    times, now, arrivals = random.Random(seed), 0.0, []
    for _ in range(requests):
        now += times.expovariate(rate)
        arrivals.append(now)
    return drive(port, body, clients, arrivals)


def engine_alone(program, model, path, jobs, clips):
    """Clips per second of the engine without a server: `batch` with as many jobs, minus its
    start-up (a run of one clip per job)."""

    def run(count):
        command = [program, "batch", "-", "--quiet", "--jobs", str(jobs), "--model", model]
        began = time.perf_counter()
        subprocess.run(
            command, input=f"{path}\n" * count, stdout=subprocess.DEVNULL, text=True, check=True
        )
        return time.perf_counter() - began

    return (clips - jobs) / (run(clips) - run(jobs))


def throughput(arguments, body, path, workers):
    """Server and engine in turn, several rounds: the median of each and of their ratio."""
    ours, alone, cpu, client = [], [], [], []
    clips = arguments.clips * workers
    with Server(arguments.program, arguments.model, "--workers", str(workers)) as server:
        closed_loop(server.port, body, 2 * workers, 20)
        for _ in range(arguments.rounds):
            alone.append(engine_alone(arguments.program, arguments.model, path, workers, clips))
            before = server.cpu_s()
            tally = closed_loop(server.port, body, 2 * workers, clips)
            cpu.append((server.cpu_s() - before) / clips)
            client.append(tally.client_cpu_s / clips)
            ours.append(tally.succeeded_per_s())
    return {
        "workers": workers,
        "in_flight": 2 * workers,
        "server_per_s": round(statistics.median(ours), 1),
        "batch_per_s": round(statistics.median(alone), 1),
        "ratio": round(statistics.median(o / a for o, a in zip(ours, alone, strict=False)), 3),
        "server_cpu_ms_a_request": round(1e3 * statistics.median(cpu), 2),
        "client_cpu_ms_a_request": round(1e3 * statistics.median(client), 2),
    }


def under_load(server, body, requests, report):
    """Half the capacity, many requests, four times the capacity; calls `report(name, value)` for
    each."""
    closed_loop(server.port, body, 8, 200)
    capacity = closed_loop(server.port, body, 8, 500).succeeded_per_s()
    half = open_loop(server.port, body, capacity / 2, 1000, 32)
    report(
        "half_load",
        {
            "per_s": round(capacity / 2, 1),
            "p50_ms": half.quantile_ms(0.5),
            "p99_ms": half.quantile_ms(0.99),
            "errors": half.errors(),
        },
    )

    memory, answered, errors = [server.memory_mb()], 0, {}
    for _ in range(4):
        tally = closed_loop(server.port, body, 8, requests // 4)
        answered += tally.succeeded()
        errors.update(tally.errors())
        memory.append(server.memory_mb())
    report(
        "many",
        {
            "requests": requests,
            "answered": answered,
            "errors": errors,
            "memory_mb": [round(m, 1) for m in memory],
        },
    )

    over = open_loop(server.port, body, 4 * capacity, int(40 * capacity), 128)
    after = closed_loop(server.port, body, 1, 20)
    report(
        "overload",
        {
            "offered_per_s": round(4 * capacity, 1),
            "answered": over.succeeded(),
            "answered_per_s": round(over.succeeded_per_s(), 1),
            "refused_429": over.counts.get(429, 0),
            "errors": over.errors(),
            "p99_ms_of_answered": over.quantile_ms(0.99),
            "after": {
                "first_ms": round(1e3 * after.seconds[0], 1) if after.seconds else None,
                "p50_ms": after.quantile_ms(0.5),
                "errors": after.errors(),
            },
            "memory_mb": round(server.memory_mb(), 1),
        },
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program")
    parser.add_argument("--model", default="xvector-cnn")
    parser.add_argument(
        "--clips", type=int, default=200, help="clips per round and worker of the throughput"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=10_000, help="0: throughput only")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    body = clip()
    found = {"cpus": os.cpu_count(), "load_average": os.getloadavg()[0], "model": arguments.model}

    def report(name, value):
        found[name] = value
        print(
            f"{name}: {json.dumps(value)}",
            file=sys.stderr if arguments.json else sys.stdout,
            flush=True,
        )

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.wav"
        path.write_bytes(body)
        report("throughput", [throughput(arguments, body, path, workers) for workers in (1, 2)])

    if arguments.requests:
        with Server(
            arguments.program, arguments.model, "--workers", "2", "--queue", "16"
        ) as server:
            under_load(server, body, arguments.requests, report)
    if arguments.json:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
