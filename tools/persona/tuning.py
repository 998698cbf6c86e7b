"""Training of an x-vector with its tasks: the pretrained TDNN goes on learning, from the spectrograms on, with two trunks at once.

A dense and a convolved trunk read the same embedding, so one training makes both systems. Beside the trunks' losses stand those of heads straight on
the embedding, and of telling what CAM++ hears in the clip, which keeps the network from learning the training's voices by heart.
"""
import copy
import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from . import data, networks
from .augment import Augment
from .sound import from_bytes
from .system_file import LOGMEL, normalised
from .training import follow

TRUNKS = {"fcn": {**networks.FCN, "dense": [512, 128, 56]}, "cnn": networks.CNN}


@dataclass
class Tuning:
    """Everything that changes what the network learns. Written into the header of the system file."""

    epochs: int = 8
    batch: int = 64
    frames: int = 112  # of each clip, at a random place: 1.8 s
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    dropout: float = 0.1
    augment: float = 0.5
    emotion_weight: float = 2.0
    gender_weight: float = 0.5
    age_weight: float = 0.8
    straight: float = 0.5  # weight of the heads that read the embedding itself
    distil: float = 0.5  # weight of telling CAM++'s blocks
    voices: int = 12  # outside voices in every third batch, for the gender heads
    averaging: float = 0.99  # decay of the running mean of weights
    seed: int = 1
    tied_bands: int = 3  # highest bands that the first layer reads as the one below them


class Tuned(nn.Module):
    """Features [batch, frames, bands] → the answers of both trunks, those straight from the embedding, and the pooled statistics."""

    def __init__(self, recipe, blocks):
        super().__init__()
        self.xvector = networks.XVector(LOGMEL["n_mels"], networks.XVECTOR)
        dim, pooled = self.xvector.dim, self.xvector.embedding.in_features
        trunks = {name: networks.Trunk(dim, config, recipe.dropout, recipe.dropout) for name, config in TRUNKS.items()}
        self.trunks = nn.ModuleDict(trunks)
        self.heads = nn.ModuleDict({name: networks.Heads(config["dense"][-1]) for name, config in TRUNKS.items()})
        self.straight = networks.Heads(dim)
        self.pooled_norm, self.blocks = nn.BatchNorm1d(pooled, affine=False), nn.Linear(pooled, blocks)

    def forward(self, x):
        pooled = self.pool_every_other(x)
        embedding = self.xvector.embed(pooled)
        answers = [self.heads[name](trunk(embedding)) for name, trunk in self.trunks.items()]
        return answers, self.straight(embedding), self.blocks(self.pooled_norm(pooled))

    def pool_every_other(self, x):
        """The statistics over every other frame: nearly the same, for two thirds of the work. The third layer is where frames are left out, as the
        layers after it have no context."""
        first, second, third, *rest = self.xvector.tdnn
        x = third(second(first(x)), every=2)
        for layer in rest:
            x = layer(x)
        return networks.statistics_pooling(x.float(), self.xvector.floor)

    def answers(self, x, trunk):
        return self.heads[trunk](self.trunks[trunk](self.xvector(x)))


class Run:
    """One network on one set of clips (`train`, indices), kept in the file `done` for the other trunk's system."""

    def __init__(self, system, heard, train, start, done):
        """Starts from the pretrained network in the file `start`; the answers are those of the system's trunk."""
        recipe = system.recipe
        self.recipe, self.kind, self.heard, self.done = recipe, system.trunk["kind"], heard, done
        self.train = torch.as_tensor(train)
        ages = heard.clips.age[self.train]
        self.age_mean, self.age_scale = float(ages.mean()), float(ages.std())
        torch.manual_seed(recipe.seed)
        torch.set_flush_denormal(True)
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.network = Tuned(recipe, heard.blocks.shape[1])
        self.network.xvector.load_state_dict(torch.load(start, weights_only=True))

    def run(self):
        """Trains, or takes what was trained before."""
        if self.done.exists():
            self.network.load_state_dict(torch.load(self.done, weights_only=True))
        else:
            self.learn()
            self.tie()
            self.done.parent.mkdir(parents=True, exist_ok=True)
            torch.save(self.network.state_dict(), self.done)
        self.network.eval()
        return self

    def learn(self):
        """Trains to the end of the schedule; leaves the running mean of the weights."""
        recipe, network = self.recipe, self.network
        blocks = self.heard.blocks[self.train].float()
        self.middle, self.spread = blocks.mean(0), blocks.std(0).clamp(min=1e-3)
        optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
        steps = recipe.epochs * math.ceil(len(self.train) / recipe.batch)
        rate = lambda k: min(1.0, (k + 1) / (0.1 * steps)) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, k / steps)))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
        augment, averaged, step = Augment(recipe.augment, self.generator), copy.deepcopy(network), 0
        network.train()
        for _ in range(recipe.epochs):
            for index in data.shuffled_batches(self.heard.clips, self.train, recipe.batch, self.generator):
                step += 1
                loss = self.loss(index, recipe.voices if step % 3 == 0 else 0, augment)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 5.0)
                optimiser.step()
                schedule.step()
                follow(averaged, network, min(recipe.averaging, (1 + step) / (10 + step)))
        self.network = averaged

    def loss(self, index, voices, augment):
        recipe, clips, count = self.recipe, self.heard.clips, len(index)
        frames = min(int(clips.length[index].min()), recipe.frames)
        some = self.some_voices(voices, frames)
        x = torch.cat([data.crops(clips, index, frames, self.generator), data.crops(self.heard.outside, self.heard.voices[some], frames, self.generator)])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            trunks, straight, blocks = self.network(normalised(augment(x), LOGMEL))
        total = recipe.straight * self.of_tasks(straight, index) + sum(self.of_tasks(answers, index) for answers in trunks)
        aim = ((self.heard.blocks[index].float() - self.middle) / self.spread).clamp(-5, 5)
        total = total + recipe.distil * F.mse_loss(blocks[:count].float(), aim)
        if len(some):
            sex = self.heard.voices_sex[some]
            total = total + len(some) / count * sum(F.cross_entropy(answers["gender"][count:].float(), sex) for answers in trunks)
        return total

    def some_voices(self, count, frames):
        """Random outside voices that are long enough, as places in `heard.voices`."""
        some = torch.randint(len(self.heard.voices), (4 * count,), generator=self.generator)
        return some[self.heard.outside.length[self.heard.voices[some]] >= frames][:count]

    def of_tasks(self, answers, index):
        recipe, clips = self.recipe, self.heard.clips
        own = {head: values[: len(index)].float() for head, values in answers.items()}
        age = (clips.age[index] - self.age_mean) / self.age_scale
        return (
            recipe.emotion_weight * F.cross_entropy(own["emotion"], clips.emotion[index])
            + recipe.gender_weight * F.cross_entropy(own["gender"], clips.sex[index])
            + recipe.age_weight * F.mse_loss(own["age"], age)
        )

    def tie(self):
        """Lets the first layer read the highest bands as the one below."""
        frames = from_bytes(self.heard.clips.frames[:: max(1, len(self.heard.clips.frames) // 100_000)])
        networks.tie_top_bands(self.network.xvector.tdnn[0], self.recipe.tied_bands, normalised(frames, LOGMEL).mean(0))

    @torch.no_grad()
    def answers(self, index):
        """Logits and years of some clips, whole."""
        clips, found = self.heard.clips, {}
        place = torch.zeros(len(clips.length), dtype=torch.long)
        place[index] = torch.arange(len(index))
        for batch, frames in data.batches_of_one_length(clips, torch.as_tensor(index), 64):
            out = self.network.answers(normalised(data.crops(clips, batch, frames), LOGMEL), self.kind)
            for head, values in out.items():
                found.setdefault(head, values.new_zeros(len(index), *values.shape[1:]))[place[batch]] = values
        return {"emotion": found["emotion"], "gender": found["gender"], "years": found["age"] * self.age_scale + self.age_mean}

    def fill(self, whole):
        """Puts what was learned into a `networks.Persona`."""
        whole.xvector.load_state_dict(self.network.xvector.state_dict())
        whole.trunk.load_state_dict(self.network.trunks[self.kind].state_dict())
        whole.heads.load_state_dict(self.network.heads[self.kind].state_dict())
