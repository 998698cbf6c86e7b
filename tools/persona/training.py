"""Training of what stands behind the vectors: trunk and heads, with summed losses of the three tasks."""
import copy
import math

import torch
from torch import nn
from torch.nn import functional as F

from . import line, networks


class Top(nn.Module):
    """Vectors [batch, dim] → answers: a `networks.Persona` without what computes the vectors."""

    def __init__(self, system, dim):
        super().__init__()
        recipe = system.recipe
        self.standardise = networks.Standardise(dim)
        self.trunk = networks.Trunk(dim, system.trunk, recipe.dropout, recipe.input_dropout)
        self.heads = networks.Heads(system.trunk["dense"][-1])

    def forward(self, x):
        return self.heads(self.trunk(self.standardise(x)))


def soft_cross_entropy(logits, target):
    return -(target * F.log_softmax(logits, dim=1)).sum(1).mean()


@torch.no_grad()
def follow(averaged, network, keep):
    """Moves the running mean of a network's weights and buffers by what is new in it."""
    for mean, now in zip([*averaged.parameters(), *averaged.buffers()], [*network.parameters(), *network.buffers()]):
        if mean.is_floating_point():  # not the counters of the batch norms
            mean.lerp_(now, 1 - keep)


@torch.no_grad()
def side_by_side(tops):
    """One top that answers the mean of what several of one shape answer: their trunks as blocks of one, their heads' weights side by side."""
    merged, share = copy.deepcopy(tops[0]), 1 / len(tops)
    dense = [[top.trunk.dense[i] for top in tops] for i in range(len(merged.trunk.dense))]
    for i, layers in enumerate(dense):
        weights = [layer.weight for layer in layers]
        whole = nn.Linear(sum(w.shape[1] for w in weights) if i else weights[0].shape[1], sum(w.shape[0] for w in weights))
        whole.weight.copy_(torch.block_diag(*weights) if i else torch.cat(weights))
        whole.bias.copy_(torch.cat([layer.bias for layer in layers]))
        merged.trunk.dense[i] = whole
    merged.heads = networks.Heads(merged.trunk.dense[-1].out_features)
    for name, head in merged.heads.named_children():
        parts = [getattr(top.heads, name) for top in tops]
        head.weight.copy_(torch.cat([part.weight for part in parts], dim=1) * share)
        head.bias.copy_(sum(part.bias for part in parts) * share)
    return merged.eval()


class Run:
    """One top on one set of clips (`train`, indices)."""

    def __init__(self, system, vectors, clips, train):
        self.system, self.vectors, self.clips = system, vectors, clips
        self.train = torch.as_tensor(train)
        torch.set_flush_denormal(True)
        ages = clips.age[self.train]
        self.age_mean, self.age_scale = float(ages.mean()), float(ages.std())

    def batch(self, index):
        """Vectors and soft targets of some clips, with noise, codes and mixup."""
        recipe, vectors = self.system.recipe, self.vectors
        x = vectors.copies[self.which_copies(len(index)), index]
        if recipe.noise and len(vectors.residuals):
            share = recipe.noise * torch.rand(len(index), 1)
            x = x + share * vectors.residuals[torch.randint(len(vectors.residuals), (len(index),))]
        if recipe.codes and len(vectors.coded):
            share = (torch.rand(len(index), 1) < recipe.codes).float()
            x = x + share * vectors.coded[torch.randint(len(vectors.coded), (len(index),))]
        emotion, sex = F.one_hot(self.clips.emotion[index], 6).float(), F.one_hot(self.clips.sex[index], 2).float()
        age = (self.clips.age[index] - self.age_mean) / self.age_scale
        if recipe.mixup:
            other = torch.randperm(len(index))
            share = torch.distributions.Beta(recipe.mixup, recipe.mixup).sample((len(index),))
            x, emotion, sex, age = (torch.lerp(v[other], v, share.view(-1, *[1] * (v.dim() - 1))) for v in (x, emotion, sex, age))
        return x, emotion, sex, age

    def which_copies(self, count):
        """The clean copy (0), or by the recipe's chance one of the others."""
        copies = len(self.vectors.copies)
        if copies == 1:
            return torch.zeros(count, dtype=torch.long)
        changed = torch.rand(count) < self.system.recipe.changed
        return torch.randint(1, copies, (count,)) * changed

    def loss_of_voices(self, batch=64):
        """Of the gender head, on outside voices."""
        some = torch.randint(len(self.vectors.voices), (batch,))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            gender = self.top(self.vectors.voices[some])["gender"]
        return F.cross_entropy(gender.float(), self.vectors.voices_sex[some])

    def run(self):
        """Trains every member; together they stand in `top`."""
        recipe, tops = self.system.recipe, []
        for member in range(recipe.members):
            torch.manual_seed(recipe.seed + member)
            self.top = self.new_top()
            tops.append(self.train_top())
        self.top = side_by_side(tops) if len(tops) > 1 else tops[0]
        if recipe.line:
            self.top = line.beside(self.top, self.fitted_line(), recipe.line)
        return self

    @torch.no_grad()
    def fitted_line(self):
        ages = (self.clips.age[self.train] - self.age_mean) / self.age_scale
        return line.Line(self.top.standardise(self.vectors.clean[self.train]), ages, self.system.recipe.line_penalty)

    def new_top(self):
        top = Top(self.system, self.vectors.clean.shape[1])
        top.standardise.fit(self.vectors.clean[self.train], floor=1e-4)
        return top

    def train_top(self):
        """Trains to the end of the schedule; gives the running mean of the weights."""
        recipe = self.system.recipe
        optimiser = torch.optim.AdamW(self.top.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
        steps = recipe.epochs * math.ceil(len(self.train) / recipe.batch)
        rate = lambda k: min(1.0, (k + 1) / (0.1 * steps)) * (0.5 + 0.5 * math.cos(math.pi * k / steps))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
        averaged, step = copy.deepcopy(self.top), 0
        self.top.train()
        for _ in range(recipe.epochs):
            for index in self.train[torch.randperm(len(self.train))].split(recipe.batch):
                x, emotion, sex, age = self.batch(index)
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    out = self.top(x)
                out = {head: logits.float() for head, logits in out.items()}
                loss = soft_cross_entropy(out["emotion"], emotion) + soft_cross_entropy(out["gender"], sex)
                loss = loss + recipe.age_weight * F.mse_loss(out["age"], age) + recipe.voices * self.loss_of_voices()
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                schedule.step()
                step += 1
                follow(averaged, self.top, min(recipe.averaging, (1 + step) / (10 + step)))
        return averaged.eval()

    @torch.no_grad()
    def answers(self, index, copy=0):
        """Logits and years of some clips, of their clean or another copy."""
        out = self.top(self.vectors.copies[copy, torch.as_tensor(index)])
        return {"emotion": out["emotion"], "gender": out["gender"], "years": out["age"] * self.age_scale + self.age_mean}

    def fill(self, whole):
        """Puts what was learned into a `networks.Persona`."""
        whole.trunk.load_state_dict(self.top.trunk.state_dict())
        whole.heads.load_state_dict(self.top.heads.state_dict())
        whole.representation.load_state_dict(self.top.standardise.state_dict())
