"""Multi-task fine-tuning of the pretrained x-vector from spectrograms, with two trunks at once.

A dense and a convolutional trunk read the same embedding, so one training makes both models. Added
to the trunks' losses are those of heads directly on the embedding, and of predicting CAM++'s block
statistics of the clip (distillation), which keeps the network from overfitting to the training
speakers.
"""

import copy
import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from . import crema_d, networks
from .audio_features import from_bytes
from .augment import Augment
from .model_file import LOGMEL, normalised
from .trunk_training import update_average

TRUNKS = {"fcn": {**networks.FCN, "dense": [512, 128, 56]}, "cnn": networks.CNN}


@dataclass
class FineTuning:
    """Hyper-parameters. Written into the model file's header, whose keys are the names of these
    fields."""

    epochs: int = 8
    batch: int = 64
    frames: int = 112  # of each clip, at a random position: 1.8 s
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    dropout: float = 0.1
    augment: float = 0.5
    emotion_weight: float = 2.0
    gender_weight: float = 0.5
    age_weight: float = 0.8
    straight: float = 0.5  # weight of the heads directly on the embedding
    distil: float = 0.5  # weight of predicting CAM++'s blocks
    voices: int = 12  # speakers of other corpora in every third batch, for the gender heads
    averaging: float = 0.99  # decay of the running mean of weights
    seed: int = 1
    tied_bands: int = 3  # highest bands that the first layer reads as the one below them


class MultiTask(nn.Module):
    """Features [batch, frames, bands] → predictions of both trunks, of the heads directly on the
    embedding, and of CAM++'s block statistics."""

    def __init__(self, recipe, blocks):
        super().__init__()
        self.xvector = networks.XVector(LOGMEL["n_mels"], networks.XVECTOR)
        dim, pooled = self.xvector.dim, self.xvector.embedding.in_features
        trunks, heads = {}, {}
        for name, config in TRUNKS.items():
            trunks[name] = networks.Trunk(dim, config, recipe.dropout, recipe.dropout)
        self.trunks = nn.ModuleDict(trunks)
        for name, config in TRUNKS.items():
            heads[name] = networks.Heads(config["dense"][-1])
        self.heads = nn.ModuleDict(heads)
        self.straight = networks.Heads(dim)
        self.pooled_norm = nn.BatchNorm1d(pooled, affine=False)
        self.blocks = nn.Linear(pooled, blocks)

    def forward(self, x):
        pooled = self.pool_every_other(x)
        embedding = self.xvector.embed(pooled)
        outputs = [self.heads[name](trunk(embedding)) for name, trunk in self.trunks.items()]
        return outputs, self.straight(embedding), self.blocks(self.pooled_norm(pooled))

    def pool_every_other(self, x):
        """Pools the statistics of every other frame: nearly the same, for two thirds of the cost.
        The third layer is the place to skip frames, because the layers after it have no context."""
        first, second, third, *rest = self.xvector.tdnn
        x = third(second(first(x)), every=2)
        for layer in rest:
            x = layer(x)
        return networks.statistics_pooling(x.float(), self.xvector.floor)

    def predict(self, x, trunk):
        return self.heads[trunk](self.trunks[trunk](self.xvector(x)))


class Run:
    """Training of one network on a set of clips (`train`, indices). The result is cached in the
    file `done`, for the model with the other trunk."""

    def __init__(self, model, inputs, train, start, done):
        """Starts from the pretrained network in the file `start`. Predictions are those of the
        model's trunk."""
        recipe = model.recipe
        self.recipe, self.kind, self.inputs, self.done = recipe, model.trunk["kind"], inputs, done
        self.train = torch.as_tensor(train)
        ages = inputs.clips.age[self.train]
        self.age_mean, self.age_scale = float(ages.mean()), float(ages.std())
        torch.manual_seed(recipe.seed)
        torch.set_flush_denormal(True)
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.network = MultiTask(recipe, inputs.blocks.shape[1])
        self.network.xvector.load_state_dict(torch.load(start, weights_only=True))

    def run(self):
        """Trains, or loads the cached result."""
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
        """Trains to the end of the schedule; keeps the running mean of the weights."""
        recipe, network = self.recipe, self.network
        blocks = self.inputs.blocks[self.train].float()
        self.block_mean, self.block_std = blocks.mean(0), blocks.std(0).clamp(min=1e-3)
        parameters, decay = network.parameters(), recipe.weight_decay
        optimiser = torch.optim.AdamW(
            parameters, recipe.learning_rate, weight_decay=decay, fused=True
        )
        steps = recipe.epochs * math.ceil(len(self.train) / recipe.batch)

        def rate(k):
            cosine = 0.5 + 0.5 * math.cos(math.pi * min(1.0, k / steps))
            return min(1.0, (k + 1) / (0.1 * steps)) * cosine

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
        augment, average = Augment(recipe.augment, self.generator), copy.deepcopy(network)
        clips, step = self.inputs.clips, 0
        network.train()
        for _ in range(recipe.epochs):
            batches = crema_d.shuffled_batches(clips, self.train, recipe.batch, self.generator)
            for index in batches:
                step += 1
                loss = self.loss(index, recipe.voices if step % 3 == 0 else 0, augment)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 5.0)
                optimiser.step()
                schedule.step()
                update_average(average, network, min(recipe.averaging, (1 + step) / (10 + step)))
        self.network = average

    def loss(self, index, other_speakers, augment):
        recipe, inputs, count = self.recipe, self.inputs, len(index)
        frames = min(int(inputs.clips.length[index].min()), recipe.frames)
        some = self.draw_other_speakers(other_speakers, frames)
        own = crema_d.crops(inputs.clips, index, frames, self.generator)
        segments = inputs.other_speakers[some]
        others = crema_d.crops(inputs.other, segments, frames, self.generator)
        x = torch.cat([own, others])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            trunks, straight, blocks = self.network(normalised(augment(x), LOGMEL))
        total = recipe.straight * self.task_loss(straight, index)
        total = total + sum(self.task_loss(outputs, index) for outputs in trunks)
        target = (inputs.blocks[index].float() - self.block_mean) / self.block_std
        blocks = blocks[:count].float()
        total = total + recipe.distil * F.mse_loss(blocks, target.clamp(-5, 5))
        if len(some):
            sex = inputs.other_speakers_sex[some]
            losses = (F.cross_entropy(out["gender"][count:].float(), sex) for out in trunks)
            total = total + len(some) / count * sum(losses)
        return total

    def draw_other_speakers(self, count, frames):
        """Random segments of other corpora that are long enough, as indices into
        `inputs.other_speakers`."""
        candidates = self.inputs.other_speakers
        some = torch.randint(len(candidates), (4 * count,), generator=self.generator)
        return some[self.inputs.other.length[candidates[some]] >= frames][:count]

    def task_loss(self, outputs, index):
        recipe, clips = self.recipe, self.inputs.clips
        own = {head: values[: len(index)].float() for head, values in outputs.items()}
        age = (clips.age[index] - self.age_mean) / self.age_scale
        return (
            recipe.emotion_weight * F.cross_entropy(own["emotion"], clips.emotion[index])
            + recipe.gender_weight * F.cross_entropy(own["gender"], clips.sex[index])
            + recipe.age_weight * F.mse_loss(own["age"], age)
        )

    def tie(self):
        """Makes the first layer read the highest bands as the one below."""
        frames = self.inputs.clips.frames
        frames = from_bytes(frames[:: max(1, len(frames) // 100_000)])
        means = normalised(frames, LOGMEL).mean(0)
        networks.tie_top_bands(self.network.xvector.tdnn[0], self.recipe.tied_bands, means)

    @torch.no_grad()
    def predict(self, index):
        """Logits and years of some whole clips."""
        clips, found = self.inputs.clips, {}
        row = torch.zeros(len(clips.length), dtype=torch.long)
        row[index] = torch.arange(len(index))
        for batch, frames in crema_d.batches_of_one_length(clips, torch.as_tensor(index), 64):
            x = normalised(crema_d.crops(clips, batch, frames), LOGMEL)
            for head, values in self.network.predict(x, self.kind).items():
                empty = values.new_zeros(len(index), *values.shape[1:])
                found.setdefault(head, empty)[row[batch]] = values
        years = found["age"] * self.age_scale + self.age_mean
        return {"emotion": found["emotion"], "gender": found["gender"], "years": years}

    def fill(self, model):
        """Copies the trained weights into a `networks.Persona`."""
        model.xvector.load_state_dict(self.network.xvector.state_dict())
        model.trunk.load_state_dict(self.network.trunks[self.kind].state_dict())
        model.heads.load_state_dict(self.network.heads[self.kind].state_dict())
