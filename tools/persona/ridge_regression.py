"""Ridge regression from vectors to age, added to a trained trunk.

A trunk fits the training speakers closely and predicts the age of unseen speakers worse than ridge
regression does. A weighted mean of both predicts unseen speakers better.
"""

import copy

import torch
from torch import nn

from . import networks


class RidgeRegression:
    """standardised x → x @ weight + bias, an age in the units of the age head."""

    def __init__(self, x, age, penalty):
        """Fits standardised vectors [clips, dim] and ages [clips]; `penalty` is per clip."""
        gram = (x.T @ x).double()
        gram.diagonal().add_(penalty * len(x))
        self.bias = age.mean()
        self.weight = torch.linalg.solve(gram, (x.T @ (age - self.bias)).double()).float()


@torch.no_grad()
def merge(top, regression, share):
    """A top whose age is share · regression + (1 − share) · own.

    The regression passes the trunk's ReLUs as two units per layer: its positive and its negative
    part."""
    merged = copy.deepcopy(top)
    pair, sign = torch.eye(2), torch.tensor([1.0, -1.0])
    for i, layer in enumerate(top.trunk.dense):
        if i == 0:
            weight = torch.cat([layer.weight, torch.outer(sign, regression.weight)])
            bias = torch.cat([layer.bias, sign * regression.bias])
        else:
            weight = torch.block_diag(layer.weight, pair)
            bias = torch.cat([layer.bias, torch.zeros(2)])
        wider = nn.Linear(weight.shape[1], weight.shape[0])
        wider.weight.copy_(weight)
        wider.bias.copy_(bias)
        merged.trunk.dense[i] = wider
    merged.heads = networks.Heads(merged.trunk.dense[-1].out_features)
    for name, head in merged.heads.named_children():
        old, own = getattr(top.heads, name), 1.0 - share if name == "age" else 1.0
        added = share * sign if name == "age" else torch.zeros(2)
        columns = [own * old.weight, added.expand(old.out_features, 2)]
        head.weight.copy_(torch.cat(columns, dim=1))
        head.bias.copy_(own * old.bias)
    return merged.eval()
