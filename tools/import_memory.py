"""The most memory that importing WavLM takes, and embedding a recording by what was imported: largest resident size of each process.

    python tools/import_memory.py prepare FOLDER [--size large]
    python tools/import_memory.py run FOLDER target/release/persona-engine RECORDING.wav

The first step needs `pip install transformers`: it writes the network as transformers saves it, with the seeded random weights of tools/check_wavlm.py. It is a
process of its own, because Linux counts what the process that starts another one held as that one's memory. FOLDER fills with 2.5 GB for Large.
"""
import argparse
from pathlib import Path

import bench_growth


def prepare(folder, size):
    import check_wavlm
    import torch

    with torch.no_grad():
        check_wavlm.seeded(size).save_pretrained(folder, safe_serialization=True)


def run(folder, program, recording):
    weights, config, imported = (folder / name for name in ("model.safetensors", "config.json", "imported.safetensors"))
    steps = {
        "model import": [program, "model", "import", "wavlm", str(weights), str(config), "-o", str(imported)],
        "embed": [program, "embed", recording, "--model", str(imported)],
    }
    print(f"WavLM, {weights.stat().st_size / 1e6:.0f} MB of weights")
    for name, command in steps.items():
        wall, _, resident_mib = bench_growth.run(command)
        print(f"{name}: {resident_mib * 1.048576:.0f} MB resident at most, {wall:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
