"""The inputs of robust training: the vectors that train/embed_conditions.py wrote, of each network of
a model."""

from dataclasses import dataclass

import numpy as np
import torch

from . import training_inputs
from .alignment import Alignment
from .robust_training import Versions

NETWORKS = ("campplus", "whisper")
VERSIONS = ("clean", "vary1")
PAIRS = ("reconstructed", "recorded")
JOBS = (
    "clean:campplus clean:whisper vary1:campplus recorded:campplus reconstructed:campplus "
    "recorded:whisper reconstructed:whisper others:campplus vary1:whisper lines:campplus"
).split()
LAST_FILE = "conditions/lines-campplus-1.npz"


@dataclass
class NetworkInputs:
    """Vectors of one network."""

    versions: Versions
    lines: torch.Tensor  # [clips, dim], each clip under one channel condition
    have_lines: torch.Tensor  # bool [clips]
    world: torch.Tensor  # [chunks, dim] of recordings of other studios; may be empty
    own: np.ndarray  # [chunks, 2]: their recording, and the samples that are new in them


class Inputs:
    """Vectors of all networks of a model, side by side where a method returns vectors."""

    def __init__(self, networks):
        self.networks = networks

    def of(self, network):
        return self.networks[network].versions

    def joined(self, pick):
        return torch.cat([pick(one) for one in self.networks.values()], dim=1)

    def clean(self, index):
        return self.version(0, index)

    def version(self, number, index):
        return self.joined(lambda one: one.versions.clips[number, index])

    def have(self, number):
        """bool [clips]: computed for every network."""
        return torch.stack([one.versions.have[number] for one in self.networks.values()]).all(0)

    def lines(self, index):
        return self.joined(lambda one: one.lines[index])

    def have_lines(self):
        return torch.stack([one.have_lines for one in self.networks.values()]).all(0)

    def world(self):
        return self.joined(lambda one: one.world)

    @property
    def own(self):
        return next(iter(self.networks.values())).own


def read(folder, version, network, key="index"):
    """The stored arrays of all shares in the order of `key`, (vectors [n, dim], arrays); None if
    there are none."""
    paths = sorted(folder.glob(f"{version}-{network}-*.npz"))
    if not paths:
        return None
    shares = [dict(np.load(path)) for path in paths]
    joined = {name: np.concatenate([share[name] for share in shares]) for name in shares[0]}
    numbers = joined[key].reshape(len(joined[key]), -1)[:, 0]
    order = np.argsort(numbers, kind="stable")
    joined = {name: values[order] for name, values in joined.items()}
    return torch.tensor(joined.pop("x")).float(), joined


def scattered(found, count, dim):
    """(vectors [count, dim], bool [count]: which exist)."""
    x, have = torch.zeros(count, dim), torch.zeros(count, dtype=torch.bool)
    if found is not None:
        index = torch.as_tensor(found[1]["index"])
        x[index], have[index] = found[0], True
    return x, have


def of_network(network, count, speech, folder):
    reconstructed, recorded = (read(folder, name, network)[0] for name in PAIRS)
    align, dim = Alignment(reconstructed, recorded), recorded.shape[1]
    copies = [scattered(read(folder, name, network), count, dim) for name in VERSIONS]
    lines, have_lines = scattered(read(folder, "lines", network), count, dim)
    other = read(folder, "others", network)
    voices, sex = torch.zeros(0, dim), torch.zeros(0, dtype=torch.long)
    if other is not None:
        known, sex = training_inputs.sexes(torch.tensor(other[1]["recording"]), speech)
        voices = other[0][known]
    world = read(folder, "world", network, "own")
    return NetworkInputs(
        versions=Versions(
            clips=torch.stack([align(x) for x, _ in copies]),
            have=torch.stack([have for _, have in copies]),
            residuals=recorded - align(reconstructed),
            voices=voices,
            voices_sex=sex,
        ),
        lines=align(lines),
        have_lines=have_lines,
        world=world[0] if world else torch.zeros(0, dim),
        own=world[1]["own"] if world else np.zeros((0, 2), int),
    )


def load(model, count, speech, runs):
    """`Inputs` of a robust model for the corpus's `count` clips."""
    folder = runs / "conditions"
    return Inputs({n: of_network(n, count, speech, folder) for n in model.recipe.networks})
