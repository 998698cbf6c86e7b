"""Tests of what the training puts together by hand: python3 -m unittest discover --start-directory tools"""
import unittest

try:
    import torch
    from torch import nn

    from persona import line, rounding, training
    from persona.systems import SYSTEMS
except ImportError as missing:
    raise unittest.SkipTest(f"needs tools/requirements.txt: {missing}") from None


class Training(unittest.TestCase):
    @torch.no_grad()
    def test_a_line_beside_the_trunk_has_its_share_of_the_age_and_of_nothing_else(self):
        torch.manual_seed(0)
        top, x = training.Top(SYSTEMS["campplus-fcn"], 30).eval(), torch.randn(200, 30)
        fitted = line.Line(x, x @ torch.randn(30) + torch.randn(200), 0.1)
        alone, both = top(x), line.beside(top, fitted, 0.2)(x)
        aim = 0.8 * alone["age"] + 0.2 * (x @ fitted.weight + fitted.bias)
        self.assertLess(float((both["age"] - aim).abs().max()), 1e-5)
        for head in ("emotion", "gender"):
            self.assertLess(float((both[head] - alone[head]).abs().max()), 1e-5)

    @torch.no_grad()
    def test_rounded_layers_lose_nothing_in_the_mean(self):
        torch.manual_seed(0)
        norm = nn.BatchNorm1d(64)
        nn.init.normal_(norm.bias)
        nn.init.normal_(norm.weight)
        x = torch.relu(norm.weight * torch.randn(20000, 64) + norm.bias)[..., None]  # as the norm would have it
        conv = nn.Conv1d(64, 16, 1, bias=False)
        exact, before = conv(x), conv.weight.clone()
        rounding.in_codes(conv, rounding.Moments.behind(norm).relu())
        plain = (nn.functional.conv1d(x, conv.weight) - exact).mean(dim=(0, 2))
        self.assertGreater(float((conv.weight - before).abs().max()), 0.0)
        self.assertLess(float((conv(x) - exact).mean(dim=(0, 2)).norm()), 0.2 * float(plain.norm()))


if __name__ == "__main__":
    unittest.main()
