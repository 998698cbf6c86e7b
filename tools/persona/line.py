"""A straight line from the vectors to the age, beside the trunk.

A trunk that knows the training's voices by heart tells a new voice's age worse than ridge regression does, and known ones' far better. A share of the line in the
answer is for the new ones.
"""
import copy

import torch
from torch import nn

from . import networks


class Line:
    """standardised x → x @ weight + bias, an age in the units of the age head."""

    def __init__(self, x, age, penalty):
        """By ridge regression, from standardised vectors [clips, dim] and ages [clips]; `penalty` is for each clip."""
        gram = (x.T @ x).double()
        gram.diagonal().add_(penalty * len(x))
        self.bias = age.mean()
        self.weight = torch.linalg.solve(gram, (x.T @ (age - self.bias)).double()).float()


@torch.no_grad()
def beside(top, line, share):
    """The top whose age is `share` times the line's and the rest its own. The line passes through the trunk's ReLUs as two units of each layer, what it has above
    zero and what it has below."""
    merged = copy.deepcopy(top)
    pair, sign = torch.eye(2), torch.tensor([1.0, -1.0])
    for i, layer in enumerate(top.trunk.dense):
        weight = torch.cat([layer.weight, torch.outer(sign, line.weight)]) if i == 0 else torch.block_diag(layer.weight, pair)
        whole = nn.Linear(weight.shape[1], weight.shape[0])
        whole.weight.copy_(weight)
        whole.bias.copy_(torch.cat([layer.bias, sign * line.bias if i == 0 else torch.zeros(2)]))
        merged.trunk.dense[i] = whole
    merged.heads = networks.Heads(merged.trunk.dense[-1].out_features)
    for name, head in merged.heads.named_children():
        old, own = getattr(top.heads, name), 1.0 - share if name == "age" else 1.0
        rest = share * sign if name == "age" else torch.zeros(2)
        head.weight.copy_(torch.cat([own * old.weight, rest.expand(old.out_features, 2)], dim=1))
        head.bias.copy_(own * old.bias)
    return merged.eval()
