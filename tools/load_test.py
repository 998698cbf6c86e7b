"""The server under load, over loopback: how near it comes to the engine's own limit, how long answers take, and what it does with too much.

    python3 tools/load_test.py target/release/persona-engine [--model xvector-cnn] [--requests 10000]

1. Throughput of 3 s clips with 1 and 2 workers, in turn with the engine's own (`infer` on the same clip, one process a worker, start-up taken off).
2. Latency at half of that load, requests arriving at random times.
3. Many requests at full load: errors, and memory before and after.
4. Four times the load that it can bear: what is refused, what times out, and how long the next requests take.

Prints a line for each, and JSON with --json. Standard library alone.
"""

import argparse
import json
import math
import os
import random
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

TIME_OUT_S = 30.0


def clip(seconds=3.0, rate=16_000):
    """A WAV that the engine takes for speech: a buzz whose pitch glides, whose formants wander and whose level rises and falls."""
    phase, samples = 0.0, []
    for i in range(int(seconds * rate)):
        t = i / rate
        wave = lambda hz: math.sin(math.tau * hz * t)
        pitch = 140 * (1 + 0.2 * wave(0.9) + 0.1 * wave(2.3))
        phase = (phase + pitch / rate) % 1.0
        formants = (600 + 300 * wave(1.7), 1700 + 600 * wave(2.9))
        gain = lambda hz: 0.02 + sum(math.exp(-(((hz - f) / 250) ** 2)) for f in formants)
        sound = sum(gain(pitch * k) * math.sin(math.tau * k * phase) for k in range(1, 21))
        samples.append(int(max(-1, min(1, 0.1 * sound * (0.55 + 0.45 * wave(3.5)))) * 32767))
    data = struct.pack(f"<{len(samples)}h", *samples)
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", len(data))
    return head + data


class Server:
    """The program, serving on a free port."""

    def __init__(self, program, model, *options):
        command = [program, "serve", "--bind", "127.0.0.1:0", "--model", model, "--log", "off", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        self.port = int(line.rsplit(":", 1)[1].strip().rstrip("/"))

    def metrics(self):
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=TIME_OUT_S).read().decode()
        return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))

    def memory_mb(self):
        return float(self.metrics().get("process_resident_memory_bytes", "nan")) / 1e6

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)


class Client:
    """A connection that is kept. `ask` gives the status, or the error's name."""

    def __init__(self, port, body):
        head = f"POST /v1/predict HTTP/1.1\r\nHost: load\r\nContent-Type: audio/wav\r\nContent-Length: {len(body)}\r\n\r\n"
        self.port, self.request, self.socket = port, head.encode() + body, None

    def ask(self):
        try:
            if self.socket is None:
                self.socket = socket.create_connection(("127.0.0.1", self.port), TIME_OUT_S)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.sendall(self.request)
            return self.answer()
        except OSError as error:
            self.close()
            return type(error).__name__

    def answer(self):
        received = b""
        while b"\r\n\r\n" not in received:
            received += self.more()
        head, body = received.split(b"\r\n\r\n", 1)
        lines = head.decode().lower().split("\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith("content-length:"))
        while len(body) < length:
            body += self.more()
        if "connection: close" in lines:
            self.close()
        return int(lines[0].split()[1])

    def more(self):
        received = self.socket.recv(65536)
        if not received:
            raise ConnectionError("closed within an answer")
        return received

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None


class Tally:
    """What came of requests: a count for each status or error, and seconds of those answered with 200."""

    def __init__(self):
        self.lock, self.counts, self.seconds = threading.Lock(), {}, []

    def add(self, outcome, seconds):
        with self.lock:
            self.counts[outcome] = self.counts.get(outcome, 0) + 1
            if outcome == 200:
                self.seconds.append(seconds)

    def quantile_ms(self, q):
        ordered = sorted(self.seconds)
        return 1e3 * ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else math.nan

    def errors(self):
        return {str(outcome): count for outcome, count in self.counts.items() if outcome not in (200, 429)}


def run_threads(work, count):
    threads = [threading.Thread(target=work, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def closed_loop(port, body, clients, requests):
    """Each client asks again as soon as it is answered. Returns the tally and the wall time."""
    tally, left, lock = Tally(), [requests], threading.Lock()

    def work(_):
        client = Client(port, body)
        while True:
            with lock:
                if left[0] == 0:
                    break
                left[0] -= 1
            began = time.perf_counter()
            tally.add(client.ask(), time.perf_counter() - began)
        client.close()

    began = time.perf_counter()
    run_threads(work, clients)
    return tally, time.perf_counter() - began


def open_loop(port, body, rate, requests, clients, seed=0):
    """Requests that arrive at random times, `rate` a second, whether earlier ones are answered or not (up to `clients` at once; who finds no client
    free waits, and that counts)."""
    tally, lock, times = Tally(), threading.Lock(), random.Random(seed)
    arrivals, now = [], 0.0
    for _ in range(requests):
        now += times.expovariate(rate)
        arrivals.append(now)
    arrivals.reverse()
    began = time.perf_counter()

    def work(_):
        client = Client(port, body)
        while True:
            with lock:
                if not arrivals:
                    break
                due = began + arrivals.pop()
            time.sleep(max(0.0, due - time.perf_counter()))
            tally.add(client.ask(), time.perf_counter() - due)
        client.close()

    run_threads(work, clients)
    return tally, time.perf_counter() - began


def engine_alone(program, model, path, processes, clips):
    """Clips a second of the engine without a server: `infer` in as many processes, each without its start-up (a run of one clip)."""

    def run(count):
        command = [program, "infer", "--quiet", "--json", "--model", model, *[path] * count]
        began = time.perf_counter()
        started = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(processes)]
        for process in started:
            process.wait()
        return time.perf_counter() - began

    return processes * (clips - 1) / (run(clips) - run(1))


def throughput(arguments, body, path, workers):
    """Server and engine in turn, several rounds; the median of each and of their ratio."""
    ours, alone, cpu = [], [], []
    with Server(arguments.program, arguments.model, "--workers", str(workers)) as server:
        closed_loop(server.port, body, 2 * workers, 20)
        for _ in range(arguments.rounds):
            alone.append(engine_alone(arguments.program, arguments.model, path, workers, arguments.clips))
            before = server.cpu_s()
            tally, wall = closed_loop(server.port, body, 2 * workers, arguments.clips * workers)
            cpu.append((server.cpu_s() - before) / (arguments.clips * workers))
            ours.append(tally.counts.get(200, 0) / wall)
    return {
        "workers": workers,
        "server_per_s": round(statistics.median(ours), 1),
        "engine_per_s": round(statistics.median(alone), 1),
        "ratio": round(statistics.median(o / a for o, a in zip(ours, alone)), 3),
        "server_cpu_ms_a_request": round(1e3 * statistics.median(cpu), 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--model", default="xvector-cnn")
    parser.add_argument("--clips", type=int, default=200, help="clips a round of the throughput, for each worker")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    body = clip()
    found = {"cpus": os.cpu_count(), "load_average": os.getloadavg()[0], "model": arguments.model}

    def tell(name, value):
        found[name] = value
        print(f"{name}: {json.dumps(value)}", file=sys.stderr if arguments.json else sys.stdout, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "clip.wav")
        with open(path, "wb") as file:
            file.write(body)
        tell("throughput", [throughput(arguments, body, path, workers) for workers in (1, 2)])

    with Server(arguments.program, arguments.model, "--workers", "2", "--queue", "16") as server:
        closed_loop(server.port, body, 8, 200)
        _, wall = closed_loop(server.port, body, 4, 500)
        capacity = 500 / wall
        half, _ = open_loop(server.port, body, capacity / 2, 1000, 32)
        tell("half_load", {"per_s": round(capacity / 2, 1), "p50_ms": round(half.quantile_ms(0.5), 1), "p99_ms": round(half.quantile_ms(0.99), 1), "errors": half.errors()})

        memory = [server.memory_mb()]
        counts, errors = 0, {}
        for _ in range(4):
            tally, _ = closed_loop(server.port, body, 8, arguments.requests // 4)
            counts += tally.counts.get(200, 0)
            errors.update(tally.errors())
            memory.append(server.memory_mb())
        tell("many", {"requests": arguments.requests, "answered": counts, "errors": errors, "memory_mb": [round(m, 1) for m in memory]})

        over, wall = open_loop(server.port, body, 4 * capacity, int(40 * capacity), 128)
        after = Tally()
        client = Client(server.port, body)
        for _ in range(20):
            began = time.perf_counter()
            after.add(client.ask(), time.perf_counter() - began)
        tell("overload", {
            "offered_per_s": round(4 * capacity, 1), "answered": over.counts.get(200, 0), "answered_per_s": round(over.counts.get(200, 0) / wall, 1),
            "refused_429": over.counts.get(429, 0), "errors": over.errors(), "p99_ms_of_answered": round(over.quantile_ms(0.99), 1),
            "after": {"first_ms": round(1e3 * after.seconds[0], 1) if after.seconds else None, "p50_ms": round(after.quantile_ms(0.5), 1), "errors": after.errors()},
            "memory_mb": round(server.memory_mb(), 1),
        })
    if arguments.json:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
