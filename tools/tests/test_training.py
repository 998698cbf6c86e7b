"""Tests of the weights that training assembles: ridge regression in a trunk, quantised layers."""

import unittest

try:
    import torch
    from torch import nn

    from persona import quantisation, ridge_regression, trunk_training
    from persona.model_recipes import MODELS
except ImportError as missing:
    raise unittest.SkipTest(f"needs tools/requirements.lock: {missing}") from None


def new_top(dim):
    model = MODELS["campplus-fcn"]
    return trunk_training.Top(model.recipe, dim, model.trunk).eval()


class Training(unittest.TestCase):
    @torch.no_grad()
    def test_merged_ridge_regression_changes_the_age_alone(self):
        torch.manual_seed(0)
        top, x = new_top(30), torch.randn(200, 30)
        age = x @ torch.randn(30) + torch.randn(200)
        fitted = ridge_regression.RidgeRegression(x, age, 0.1)
        alone, both = top(x), ridge_regression.merge(top, fitted, 0.2)(x)
        expected = 0.8 * alone["age"] + 0.2 * (x @ fitted.weight + fitted.bias)
        self.assertLess(float((both["age"] - expected).abs().max()), 1e-5)
        for head in ("emotion", "gender"):
            self.assertLess(float((both[head] - alone[head]).abs().max()), 1e-5)

    @torch.no_grad()
    def test_bias_correction_removes_the_mean_error_of_quantised_weights(self):
        torch.manual_seed(0)
        norm = nn.BatchNorm1d(64)
        nn.init.normal_(norm.bias)
        nn.init.normal_(norm.weight)
        # inputs with the norm's moments
        x = torch.relu(norm.weight * torch.randn(20000, 64) + norm.bias)[..., None]
        conv = nn.Conv1d(64, 16, 1, bias=False)
        exact, before = conv(x), conv.weight.clone()
        quantisation.quantise(conv, quantisation.Moments.after(norm).relu())
        uncorrected = (nn.functional.conv1d(x, conv.weight) - exact).mean(dim=(0, 2))
        corrected = (conv(x) - exact).mean(dim=(0, 2))
        self.assertGreater(float((conv.weight - before).abs().max()), 0.0)
        self.assertLess(float(corrected.norm()), 0.2 * float(uncorrected.norm()))


if __name__ == "__main__":
    unittest.main()
