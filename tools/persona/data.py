"""CREMA-D as stored log-mel spectrograms: the clips, their labels, and batches of crops on any device."""
import csv
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.numpy import load_file

EMOTIONS = ["ANG", "DIS", "FEA", "HAP", "NEU", "SAD"]  # the order of the heads' labels
SEXES = ["female", "male"]


@dataclass
class Clips:
    """All clips on one device: frames of all clips end to end, and one row of labels a clip."""

    frames: torch.Tensor  # uint8 [total, bands]
    start: torch.Tensor  # first frame of each clip
    length: torch.Tensor  # frames of each clip
    emotion: torch.Tensor
    votes: torch.Tensor  # [clips, 6], listeners' votes as shares
    sex: torch.Tensor
    age: torch.Tensor  # years
    rows: list  # the CSV's rows

    def column(self, name):
        return np.array([row[name] for row in self.rows])


def load(folder, device):
    """Reads `clips.csv` and `logmel_u8.safetensors` of `folder`."""
    rows = list(csv.DictReader(open(folder / "clips.csv", newline="")))
    stored = load_file(folder / "logmel_u8.safetensors")
    frames = [stored[row["clip"]] for row in rows]
    length = np.array([len(f) for f in frames])
    votes = np.array([[float(row["votes_" + e.lower()]) for e in EMOTIONS] for row in rows]) + 1e-6
    tensor = lambda values: torch.tensor(np.asarray(values), device=device)
    return Clips(
        frames=tensor(np.concatenate(frames)),
        start=tensor(np.cumsum(length) - length),
        length=tensor(length),
        emotion=tensor([EMOTIONS.index(row["emotion"]) for row in rows]),
        votes=tensor(votes / votes.sum(1, keepdims=True)).float(),
        sex=tensor([SEXES.index(row["sex"]) for row in rows]),
        age=tensor([float(row["age"]) for row in rows]).float(),
        rows=rows,
    )


def crops(clips, index, frames, generator=None):
    """[batch, frames, bands] dB below the clip's peak, from a random place of each clip (from its start without a generator)."""
    spare = clips.length[index] - frames
    if generator is None:
        offset = torch.zeros_like(spare)
    else:
        draw = torch.rand(len(index), generator=generator, device=index.device)
        offset = (draw * (spare + 1)).long().clamp(max=spare)
    at = (clips.start[index] + offset)[:, None] + torch.arange(frames, device=index.device)
    return clips.frames[at].float() * (80 / 255) - 80


def batches_by_length(clips, index, size, generator=None, jitter=12.0):
    """Batches of clips of about the same length, so that none needs padding. With a generator: shuffled, with `jitter` frames of noise
    in the sorting; without: sorted, every clip once, exact lengths together."""
    length = clips.length[index].float()
    if generator is None:
        order = index[torch.argsort(length, stable=True)]
        exact = clips.length[order]
        cuts = (torch.nonzero(exact[1:] != exact[:-1])[:, 0] + 1).tolist()
        for group in torch.tensor_split(order, cuts):
            yield from group.split(size)
        return
    noise = torch.randn(len(index), generator=generator, device=index.device) * jitter
    batches = index[torch.argsort(length + noise)].split(size)
    for k in torch.randperm(len(batches), generator=torch.Generator().manual_seed(generator.initial_seed() + len(index))):
        yield batches[k]


def split(clips, protocol, fold, share=0.1):
    """(train, validation, test) clip indices. Validation is cut from the training part: whole actors for `fold_actor`, whole sentences
    for `fold_sentence`, clips at random for `fold_clip`. With `protocol` 'all' everything is trained on."""
    everything = np.arange(len(clips.rows))
    if protocol == "all":
        return everything, everything[:0], everything[:0]
    in_test = clips.column(protocol).astype(int) == fold
    unit = clips.column({"fold_actor": "actor", "fold_sentence": "sentence", "fold_clip": "clip"}[protocol])
    units = np.unique(unit[~in_test])
    held = np.random.default_rng(1000 + fold).permutation(units)[: max(1, round(share * len(units)))]
    in_validation = np.isin(unit, held) & ~in_test
    return everything[~in_test & ~in_validation], everything[in_validation], everything[in_test]
