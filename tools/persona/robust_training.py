"""Training of trunk and heads on vectors of clips under many acoustic conditions.

Each clip has several versions: the clean one and others under random conditions (`Versions`). From a
share of the clips the mean of other clips of the same actor is subtracted, shrunken by N / (N +
prior) for N clips: the speaker's baseline. Emotion alone is trained on such vectors. A model of
several networks (`Ears`) has a run of each, whose emotion logits are averaged.
"""

import copy
import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from . import ridge_regression, trunk_training

BASELINES = 24  # of each actor, drawn anew in each epoch
MOST_CLIPS = 40  # of a baseline


@dataclass
class NetworkRecipe:
    """Hyper-parameters of the trunk on one network. Written into the model file's header, whose keys
    are the names of these fields."""

    dense: tuple = (256, 128, 56)  # widths of each member's layers
    epochs: int = 45
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.1
    input_dropout: float = 0.3
    mixup: float = 0.4  # Beta(a, a) (Zhang et al. 2018); 0 disables it
    age_weight: float = 2.0
    clean: float = 0.7  # share of the clean version
    components: int = 768  # leading principal components of the vectors that the trunk is trained on
    baseline: float = 0.5  # share of the clips from which a baseline is subtracted
    prior_clips: float = 8.0  # N clips of a speaker shrink their mean by N / (N + prior)
    noise: float = 0.5  # largest factor of a pair's alignment residual that is added to a vector
    voices: float = 0.5  # weight of the gender loss on LibriSpeech's speakers
    members: int = 2  # trunks of one shape with different seeds, merged into one
    line: float = 0.15  # share of ridge regression in the age (ridge_regression.py)
    line_penalty: float = 0.3  # of the ridge regression, per clip
    averaging: float = 0.99  # decay of the running mean of weights
    seed: int = 1


@dataclass
class Versions:
    """Vectors of the corpus and of other speech."""

    clips: torch.Tensor  # [versions, clips, dim]; the first version is the clean one
    have: torch.Tensor  # bool [versions, clips]: which were computed
    residuals: torch.Tensor  # [pairs, dim]: recorded − aligned reconstructed
    voices: torch.Tensor  # [segments, dim] of LibriSpeech, without the held-out speakers
    voices_sex: torch.Tensor  # [segments]


class Baselines:
    """Means of random clips of each actor, to be subtracted in one epoch."""

    def __init__(self, z, have, groups, prior):
        """`z` [versions, clips, dim], standardised; `groups` {actor: clips of the training set}."""
        count = max(groups) + 1
        self.clips = torch.randint(1, MOST_CLIPS + 1, (count, BASELINES))
        self.means = torch.zeros(count, BASELINES, z.shape[2])
        for actor, clips in groups.items():
            # in most epochs all clips of one room, else each under conditions of its own
            version = torch.randint(0, len(z), (len(clips),)) * (torch.rand(1) < 0.7)
            pool = z[version * have[version, clips], clips]
            weights = torch.zeros(BASELINES, len(clips))
            for k, wanted in enumerate(self.clips[actor].tolist()):
                some = torch.randperm(len(clips))[:wanted]
                weights[k, some] = 1 / len(some)
            self.means[actor] = weights @ pool
        self.share = self.clips / (self.clips + prior)

    def subtract(self, x, actors, use):
        """Vectors [batch, dim] minus a random baseline of their actors where `use` is 1."""
        k = torch.randint(0, BASELINES, (len(x),))
        return x - (self.share[actors, k] * use)[:, None] * self.means[actors, k]


def subtracted(z, speakers, clips, prior, seed=0):
    """Standardised vectors [clips, dim], each minus the shrunken mean of `clips` random other ones
    of its speaker; for evaluation."""
    generator, out = torch.Generator().manual_seed(seed), z.clone()
    for speaker in speakers.unique():
        own = torch.nonzero(speakers == speaker)[:, 0]
        for i in own.tolist():
            others = own[own != i]
            some = others[torch.randperm(len(others), generator=generator)[:clips]]
            if len(some):
                out[i] = z[i] - len(some) / (len(some) + prior) * z[some].mean(0)
    return out


@torch.no_grad()
def principal(z, count):
    """The `count` leading principal directions of vectors [clips, dim], [dim, count], all scaled by
    one number so that the projected vectors have a mean square of 1. Training is faster on them, and
    the result is folded into the trunk's first layer."""
    torch.manual_seed(0)
    _, _, directions = torch.svd_lowrank(z, q=count)
    return directions / (z @ directions).square().mean().sqrt()


@torch.no_grad()
def widen(top, projection):
    """Makes a top on projected vectors read standardised ones."""
    first = top.trunk.dense[0]
    wider = torch.nn.Linear(len(projection), first.out_features)
    wider.weight.copy_(first.weight @ projection.T)
    wider.bias.copy_(first.bias)
    top.trunk.dense[0] = wider


class Run:
    """Training of one top on a set of clips (`train`, indices)."""

    def __init__(self, recipe, versions, clips, train):
        self.recipe, self.versions, self.clips = recipe, versions, clips
        self.train = torch.as_tensor(train)
        torch.set_flush_denormal(True)
        names = sorted(set(clips.column("actor")))
        self.actors = torch.tensor([names.index(a) for a in clips.column("actor")])
        ages = clips.age[self.train]
        self.age_mean, self.age_scale = float(ages.mean()), float(ages.std())
        self.standardise = trunk_training.networks.Standardise(versions.clips.shape[2])
        self.standardise.fit(versions.clips[0, self.train], floor=1e-4)
        self.projection = None

    def project(self, x):
        """Vectors → the trunk's input in training."""
        return self.standardise(x) @ self.projection

    def run(self):
        """Trains every member and merges them into `top`."""
        recipe, tops = self.recipe, []
        clean = self.standardise(self.versions.clips[0, self.train])
        self.projection = principal(clean, recipe.components)
        self.z = torch.stack([self.project(x) for x in self.versions.clips])
        self.residuals = self.versions.residuals / self.standardise.scale @ self.projection
        self.voices = self.project(self.versions.voices)
        for member in range(recipe.members):
            torch.manual_seed(recipe.seed + member)
            tops.append(self.train_top())
        self.top = trunk_training.ensemble(tops) if len(tops) > 1 else tops[0]
        if recipe.line:
            ages = (self.clips.age[self.train] - self.age_mean) / self.age_scale
            x = self.z[0, self.train]
            regression = ridge_regression.RidgeRegression(x, ages, recipe.line_penalty)
            self.top = ridge_regression.merge(self.top, regression, recipe.line)
        del self.z, self.residuals, self.voices
        widen(self.top, self.projection)
        return self

    def train_top(self):
        """Trains to the end of the schedule; returns the running mean of the weights."""
        recipe = self.recipe
        self.top = trunk_training.Top(
            recipe, self.projection.shape[1], {"kind": "fcn", "dense": list(recipe.dense)}
        )
        optimiser = torch.optim.AdamW(
            self.top.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        steps = recipe.epochs * math.ceil(len(self.train) / recipe.batch)

        def rate(k):
            return min(1.0, (k + 1) / (0.1 * steps)) * (0.5 + 0.5 * math.cos(math.pi * k / steps))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
        average, step = copy.deepcopy(self.top), 0
        own = self.actors[self.train]
        groups = {int(a): self.train[own == a] for a in own.unique()}
        self.top.train()
        for _ in range(recipe.epochs):
            baselines = None
            if recipe.baseline:
                baselines = Baselines(self.z, self.versions.have, groups, recipe.prior_clips)
            for index in self.train[torch.randperm(len(self.train))].split(recipe.batch):
                loss = self.loss(index, baselines)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                schedule.step()
                step += 1
                keep = min(recipe.averaging, (1 + step) / (10 + step))
                trunk_training.update_average(average, self.top, keep)
        return average.eval()

    def versions_of(self, index):
        """The clean version of each clip or, with the recipe's probability, one of the others."""
        count = len(self.z)
        if count == 1:
            return torch.zeros(len(index), dtype=torch.long)
        other = torch.randint(1, count, (len(index),))
        version = other * (torch.rand(len(index)) >= self.recipe.clean)
        return version * self.versions.have[version, index]

    def targets(self, index):
        """Emotion, sex and age targets of some clips."""
        emotion = F.one_hot(self.clips.emotion[index], 6).float()
        sex = F.one_hot(self.clips.sex[index], 2).float()
        return emotion, sex, (self.clips.age[index] - self.age_mean) / self.age_scale

    def loss(self, index, baselines):
        recipe, version = self.recipe, self.versions_of(index)
        x = self.z[version, index]
        if recipe.noise and len(self.residuals):
            some = self.residuals[torch.randint(len(self.residuals), (len(x),))]
            x = x + recipe.noise * torch.rand(len(x), 1) * some
        targets, cold = self.targets(index), torch.ones(len(x))
        if baselines is not None:
            use = (torch.rand(len(x)) < recipe.baseline).float()
            x, cold = baselines.subtract(x, self.actors[index], use), 1 - use
        if recipe.mixup:
            other = torch.randperm(len(x))
            share = torch.distributions.Beta(recipe.mixup, recipe.mixup).sample((len(x),))
            x, *targets = (
                torch.lerp(v[other], v, share.view(-1, *[1] * (v.dim() - 1))) for v in (x, *targets)
            )
            cold = cold * cold[other]
        out, (emotion, sex, age) = self.outputs(x), targets
        # a baseline takes the speaker's sex and age off the vector
        count = cold.sum().clamp(min=1.0)
        gender_loss = -((sex * F.log_softmax(out["gender"], 1)).sum(1) * cold).sum() / count
        age_loss = ((out["age"] - age).square() * cold).sum() / count
        loss = trunk_training.soft_cross_entropy(out["emotion"], emotion)
        loss = loss + gender_loss + recipe.age_weight * age_loss
        return loss + recipe.voices * self.other_speakers_loss()

    def outputs(self, z):
        """Heads' outputs for standardised vectors."""
        return self.top.heads(self.top.trunk(z))

    def other_speakers_loss(self, batch=64):
        """Gender loss on LibriSpeech's speakers."""
        if not len(self.voices):
            return torch.zeros(())
        some = torch.randint(len(self.voices), (batch,))
        gender = self.outputs(self.voices[some])["gender"]
        return F.cross_entropy(gender, self.versions.voices_sex[some])

    @torch.no_grad()
    def predict(self, x, speakers=None, clips=0):
        """Logits and years of vectors [n, dim]; emotion with a baseline of `clips` others."""
        z = self.standardise(x)
        out = self.top.heads(self.top.trunk(z))
        emotion = out["emotion"]
        if clips:
            less = subtracted(z, speakers, clips, self.recipe.prior_clips)
            emotion = self.top.heads(self.top.trunk(less))["emotion"]
        years = out["age"] * self.age_scale + self.age_mean
        return {"emotion": emotion, "gender": out["gender"], "years": years}

    def save(self, path):
        dense = [layer.out_features for layer in self.top.trunk.dense]
        state = {k: v for k, v in self.top.state_dict().items() if not k.startswith("standardise")}
        torch.save({"dense": dense, "top": state}, path)

    def load(self, path):
        state = torch.load(path, weights_only=True)
        trunk = {"kind": "fcn", "dense": state["dense"]}
        self.top = trunk_training.Top(self.recipe, len(self.standardise.mean), trunk)
        self.top.load_state_dict(state["top"], strict=False)
        self.top.eval()
        return self


class Ears:
    """The emotion of several networks, a mean of their logits with the weights `shares`; gender and
    age of the first one. Each network has a `Run` of its own on its columns of the concatenated
    vector."""

    def __init__(self, runs, shares):
        self.runs, self.shares = runs, shares
        self.age_mean, self.age_scale = runs[0].age_mean, runs[0].age_scale
        self.widths = [len(run.standardise.mean) for run in runs]
        self.tops = [run.top for run in runs]

    def predict(self, x, speakers=None, clips=0):
        parts = x.split(self.widths, dim=1)
        outs = [run.predict(part, speakers, clips) for run, part in zip(self.runs, parts, strict=True)]
        emotion = sum(
            share * out["emotion"] for share, out in zip(self.shares, outs, strict=True)
        )
        return {**outs[0], "emotion": emotion}

    @torch.no_grad()
    def fill(self, model):
        """Copies the trained weights, as blocks of one trunk, into a `networks.Persona`."""
        for name in ("mean", "scale"):
            parts = [getattr(run.standardise, name) for run in self.runs]
            getattr(model.representation, name).copy_(torch.cat(parts))
        for i, layer in enumerate(model.trunk.dense):
            parts = [top.trunk.dense[i] for top in self.tops]
            layer.weight.copy_(torch.block_diag(*[part.weight for part in parts]))
            layer.bias.copy_(torch.cat([part.bias for part in parts]))
        first_alone = [1.0] + [0.0] * (len(self.tops) - 1)
        for name, head in model.heads.named_children():
            shares = self.shares if name == "emotion" else first_alone
            parts = [getattr(top.heads, name) for top in self.tops]
            pairs = list(zip(shares, parts, strict=True))
            head.weight.copy_(torch.cat([share * part.weight for share, part in pairs], dim=1))
            head.bias.copy_(sum(share * part.bias for share, part in pairs))
