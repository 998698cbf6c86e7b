#!/usr/bin/env python3
"""Benchmarks the peak memory of importing WavLM and of embedding a recording with the result.

    python tools/bench/import_memory.py prepare FOLDER [--size large]
    python tools/bench/import_memory.py run FOLDER target/release/persona-engine RECORDING.wav

The first step needs tools/requirements.lock: it writes the network as transformers saves it, with
seeded random weights. It is a process of its own because Linux counts the memory of a parent
process as that of the child. FOLDER needs 2.5 GB for Large.
"""

import argparse
from pathlib import Path

from persona import benchmark


def prepare(folder, size):
    from persona import wavlm

    wavlm.seeded(size).save_pretrained(folder, safe_serialization=True)


def run(folder, program, recording):
    weights, config = folder / "model.safetensors", folder / "config.json"
    imported = str(folder / "imported.safetensors")
    files = [str(weights), str(config), "-o", imported]
    steps = {
        "model import": [program, "model", "import", "wavlm", *files],
        "embed": [program, "embed", recording, "--model", imported],
    }
    print(f"WavLM, {weights.stat().st_size / 1e6:.0f} MB of weights")
    for name, command in steps.items():
        wall, _, resident_mib = benchmark.run(command)
        print(f"{name}: {resident_mib * 1.048576:.0f} MB peak resident, {wall:.1f} s")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=["prepare", "run"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("rest", nargs="*", metavar="PROGRAM RECORDING.wav")
    parser.add_argument("--size", default="large")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.step == "prepare":
        prepare(args.folder, args.size)
    else:
        run(args.folder, *args.rest)


if __name__ == "__main__":
    main()
