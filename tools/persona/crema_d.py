"""CREMA-D as stored log-mel spectrograms: the clips, their labels, and batches of crops."""

import csv
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.numpy import load_file

from .audio_features import from_bytes

EMOTIONS = ["ANG", "DIS", "FEA", "HAP", "NEU", "SAD"]  # the order of the heads' labels
SEXES = ["female", "male"]


@dataclass
class Clips:
    """Frames of all clips, concatenated, and one row of labels per clip, on one device. The
    positions of the clips stay on the CPU."""

    frames: torch.Tensor  # uint8 [total, bands]
    start: torch.Tensor  # first frame of each clip; CPU
    length: torch.Tensor  # frames of each clip; CPU
    emotion: torch.Tensor
    votes: torch.Tensor  # [clips, 6], the raters' votes as shares
    sex: torch.Tensor
    age: torch.Tensor  # years
    rows: list  # the CSV's rows

    def column(self, name):
        return np.array([row[name] for row in self.rows])


def rows(folder):
    """The rows of `clips.csv`."""
    with (folder / "clips.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def load(folder, device):
    """Reads `clips.csv` and `logmel_u8.safetensors` of `folder`."""
    table = rows(folder)
    stored = load_file(folder / "logmel_u8.safetensors")
    frames = [stored[row["clip"]] for row in table]
    length = np.array([len(f) for f in frames])
    votes = np.array([[float(row["votes_" + e.lower()]) for e in EMOTIONS] for row in table]) + 1e-6

    def tensor(values):
        return torch.tensor(np.asarray(values), device=device)

    return Clips(
        frames=tensor(np.concatenate(frames)),
        start=torch.tensor(np.cumsum(length) - length),
        length=torch.tensor(length),
        emotion=tensor([EMOTIONS.index(row["emotion"]) for row in table]),
        votes=tensor(votes / votes.sum(1, keepdims=True)).float(),
        sex=tensor([SEXES.index(row["sex"]) for row in table]),
        age=tensor([float(row["age"]) for row in table]).float(),
        rows=table,
    )


def crops(clips, index, frames, generator=None):
    """dB below the clip's peak [batch, frames, bands], from a random position of each clip (from
    its start without a generator)."""
    spare = clips.length[index] - frames
    offset = torch.zeros_like(spare)
    if generator is not None:
        offset = (torch.rand(len(index), generator=generator) * (spare + 1)).long().clamp(max=spare)
    device = clips.frames.device
    first = (clips.start[index] + offset).to(device)
    return from_bytes(clips.frames[first[:, None] + torch.arange(frames, device=device)])


def shuffled_batches(clips, index, size, generator, jitter=12.0):
    """Batches of clips of similar length (sorted with `jitter` frames of noise), so that none
    needs padding."""
    noise = torch.randn(len(index), generator=generator) * jitter
    batches = index[torch.argsort(clips.length[index] + noise)].split(size)
    return [batches[k] for k in torch.randperm(len(batches), generator=generator)]


def batches_of_one_length(clips, index, size, step=1):
    """Yields every clip once, in batches whose lengths agree to `step` frames, with the number of
    frames that all clips of the batch have."""
    order = index[torch.argsort(clips.length[index], stable=True)]
    group = clips.length[order] // step
    cuts = (torch.nonzero(group[1:] != group[:-1])[:, 0] + 1).tolist()
    for part in torch.tensor_split(order, cuts):
        for batch in part.split(size):
            yield batch, int(clips.length[batch].min())


def split(clips, protocol, fold):
    """(train, test) clip indices of one fold."""
    in_test = clips.column(protocol).astype(int) == fold
    return np.flatnonzero(~in_test), np.flatnonzero(in_test)
