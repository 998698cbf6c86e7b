"""Training of trunk and heads on fixed vectors, with summed losses of the three tasks."""

import copy
import math

import torch
from torch import nn
from torch.nn import functional as F

from . import networks, ridge_regression


class Top(nn.Module):
    """Vectors [batch, dim] → predictions: a `networks.Persona` without its representation."""

    def __init__(self, recipe, dim, trunk):
        super().__init__()
        self.standardise = networks.Standardise(dim)
        self.trunk = networks.Trunk(dim, trunk, recipe.dropout, recipe.input_dropout)
        self.heads = networks.Heads(trunk["dense"][-1])

    def forward(self, x):
        return self.heads(self.trunk(self.standardise(x)))


def soft_cross_entropy(logits, target):
    return -(target * F.log_softmax(logits, dim=1)).sum(1).mean()


@torch.no_grad()
def update_average(average, network, keep):
    """Updates the exponential moving average of a network's weights and buffers."""
    averaged = [*average.parameters(), *average.buffers()]
    current = [*network.parameters(), *network.buffers()]
    for mean, now in zip(averaged, current, strict=True):
        if mean.is_floating_point():  # not the counters of the batch norms
            mean.lerp_(now, 1 - keep)


@torch.no_grad()
def ensemble(tops):
    """One top that outputs the mean of several of one shape: their trunks as blocks of one trunk,
    their heads' weights concatenated."""
    merged, share = copy.deepcopy(tops[0]), 1 / len(tops)
    dense = [[top.trunk.dense[i] for top in tops] for i in range(len(merged.trunk.dense))]
    for i, layers in enumerate(dense):
        weights = [layer.weight for layer in layers]
        weight = torch.block_diag(*weights) if i else torch.cat(weights)
        wider = nn.Linear(weight.shape[1], weight.shape[0])
        wider.weight.copy_(weight)
        wider.bias.copy_(torch.cat([layer.bias for layer in layers]))
        merged.trunk.dense[i] = wider
    merged.heads = networks.Heads(merged.trunk.dense[-1].out_features)
    for name, head in merged.heads.named_children():
        parts = [getattr(top.heads, name) for top in tops]
        head.weight.copy_(torch.cat([part.weight for part in parts], dim=1) * share)
        head.bias.copy_(sum(part.bias for part in parts) * share)
    return merged.eval()


class Run:
    """Training of one top on a set of clips (`train`, indices)."""

    def __init__(self, model, vectors, clips, train):
        self.model, self.vectors, self.clips = model, vectors, clips
        self.train = torch.as_tensor(train)
        torch.set_flush_denormal(True)
        ages = clips.age[self.train]
        self.age_mean, self.age_scale = float(ages.mean()), float(ages.std())

    def batch(self, index):
        """Vectors and soft targets of some clips, with noise, int8 errors and mixup."""
        recipe, vectors = self.model.recipe, self.vectors
        x = vectors.copies[self.which_copies(len(index)), index]
        if recipe.noise and len(vectors.residuals):
            share = recipe.noise * torch.rand(len(index), 1)
            x = x + share * vectors.residuals[torch.randint(len(vectors.residuals), (len(index),))]
        if recipe.codes and len(vectors.int8_errors):
            errors = vectors.int8_errors
            share = (torch.rand(len(index), 1) < recipe.codes).float()
            x = x + share * errors[torch.randint(len(errors), (len(index),))]
        emotion = F.one_hot(self.clips.emotion[index], 6).float()
        sex = F.one_hot(self.clips.sex[index], 2).float()
        age = (self.clips.age[index] - self.age_mean) / self.age_scale
        if recipe.mixup:
            other = torch.randperm(len(index))
            share = torch.distributions.Beta(recipe.mixup, recipe.mixup).sample((len(index),))
            x, emotion, sex, age = (
                torch.lerp(v[other], v, share.view(-1, *[1] * (v.dim() - 1)))
                for v in (x, emotion, sex, age)
            )
        return x, emotion, sex, age

    def which_copies(self, count):
        """The clean copy (0) or, with the recipe's probability, one of the others."""
        copies = len(self.vectors.copies)
        if copies == 1:
            return torch.zeros(count, dtype=torch.long)
        changed = torch.rand(count) < self.model.recipe.changed
        return torch.randint(1, copies, (count,)) * changed

    def other_speakers_loss(self, batch=64):
        """Gender loss on speakers of other corpora."""
        some = torch.randint(len(self.vectors.other_speakers), (batch,))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            gender = self.top(self.vectors.other_speakers[some])["gender"]
        return F.cross_entropy(gender.float(), self.vectors.other_speakers_sex[some])

    def run(self):
        """Trains every member and merges them into `top`."""
        recipe, tops = self.model.recipe, []
        for member in range(recipe.members):
            torch.manual_seed(recipe.seed + member)
            self.top = self.new_top()
            tops.append(self.train_top())
        self.top = ensemble(tops) if len(tops) > 1 else tops[0]
        if recipe.line:
            self.top = ridge_regression.merge(self.top, self.fit_regression(), recipe.line)
        return self

    @torch.no_grad()
    def fit_regression(self):
        ages = (self.clips.age[self.train] - self.age_mean) / self.age_scale
        x = self.top.standardise(self.vectors.clean[self.train])
        return ridge_regression.RidgeRegression(x, ages, self.model.recipe.line_penalty)

    def new_top(self):
        top = Top(self.model.recipe, self.vectors.clean.shape[1], self.model.trunk)
        top.standardise.fit(self.vectors.clean[self.train], floor=1e-4)
        return top

    def train_top(self):
        """Trains to the end of the schedule; returns the running mean of the weights."""
        recipe = self.model.recipe
        parameters, decay = self.top.parameters(), recipe.weight_decay
        optimiser = torch.optim.AdamW(
            parameters, recipe.learning_rate, weight_decay=decay, fused=True
        )
        steps = recipe.epochs * math.ceil(len(self.train) / recipe.batch)

        def rate(k):
            return min(1.0, (k + 1) / (0.1 * steps)) * (0.5 + 0.5 * math.cos(math.pi * k / steps))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
        average, step = copy.deepcopy(self.top), 0
        self.top.train()
        for _ in range(recipe.epochs):
            for index in self.train[torch.randperm(len(self.train))].split(recipe.batch):
                loss = self.loss(*self.batch(index))
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                schedule.step()
                step += 1
                update_average(average, self.top, min(recipe.averaging, (1 + step) / (10 + step)))
        return average.eval()

    def loss(self, x, emotion, sex, age):
        recipe = self.model.recipe
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = self.top(x)
        out = {head: logits.float() for head, logits in out.items()}
        loss = soft_cross_entropy(out["emotion"], emotion) + soft_cross_entropy(out["gender"], sex)
        loss = loss + recipe.age_weight * F.mse_loss(out["age"], age)
        return loss + recipe.voices * self.other_speakers_loss()

    @torch.no_grad()
    def predict(self, index, copy=0):
        """Logits and years of some clips, of their clean or another copy."""
        out = self.top(self.vectors.copies[copy, torch.as_tensor(index)])
        years = out["age"] * self.age_scale + self.age_mean
        return {"emotion": out["emotion"], "gender": out["gender"], "years": years}

    def fill(self, model):
        """Copies the trained weights into a `networks.Persona`."""
        model.trunk.load_state_dict(self.top.trunk.state_dict())
        model.heads.load_state_dict(self.top.heads.state_dict())
        model.representation.load_state_dict(self.top.standardise.state_dict())
