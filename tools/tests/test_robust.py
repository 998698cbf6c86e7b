"""Tests of robust training: acoustic conditions, baselines, the domain, intervals, several networks."""

import unittest

try:
    import numpy as np
    import torch

    from persona import acoustic_conditions, calibration, domain, robust_training, whisper_checkpoint
    from persona.robust_training import NetworkRecipe
except ImportError as missing:
    raise unittest.SkipTest(f"needs tools/requirements.lock: {missing}") from None


def tone_bursts(noise, seed=0):
    """Two seconds of bursts of a tone over noise, as words over a room."""
    rng = np.random.default_rng(seed)
    at = np.arange(32000) / 16000
    words = np.sin(2 * np.pi * 300 * at) * (np.sin(2 * np.pi * 1.5 * at) > 0)
    return (words + noise * rng.standard_normal(len(at))).astype(np.float32)


class Conditions(unittest.TestCase):
    def test_varied_clips_have_whole_steps_and_finite_samples(self):
        voices = [np.random.default_rng(1).standard_normal(80000)]
        for seed in range(40):
            y = acoustic_conditions.vary(tone_bursts(0.05), np.random.default_rng(seed), voices)
            self.assertEqual(len(y) % acoustic_conditions.STEP, 0)
            self.assertTrue(acoustic_conditions.SHORTEST <= len(y) <= 48000, len(y))
            self.assertTrue(np.isfinite(y).all() and np.abs(y).max() > 0)

    def test_denoising_lowers_the_noise_between_words(self):
        x = tone_bursts(0.1)
        y = acoustic_conditions.denoise(x, np.random.default_rng(0))
        pause = slice(int(0.4 * 16000), int(0.6 * 16000))
        word = slice(int(0.1 * 16000), int(0.25 * 16000))
        self.assertLess(y[pause].std(), 0.15 * x[pause].std())
        self.assertGreater(y[word].std(), 0.8 * x[word].std())

    def test_speech_power_leaves_out_silence(self):
        x = tone_bursts(0.0)
        padded = np.pad(x, (0, 32000))
        power = acoustic_conditions.speech_power(x)
        self.assertAlmostEqual(power, acoustic_conditions.speech_power(padded), delta=0.01 * power)


class Baseline(unittest.TestCase):
    def test_the_shrunken_mean_of_other_clips_is_subtracted(self):
        z, speakers = torch.randn(6, 4), torch.tensor([0, 0, 0, 1, 1, 2])
        out = robust_training.subtracted(z, speakers, clips=10, prior=8.0)
        torch.testing.assert_close(out[0], z[0] - 2 / 10 * (z[1] + z[2]) / 2)
        torch.testing.assert_close(out[4], z[4] - 1 / 9 * z[3])
        torch.testing.assert_close(out[5], z[5])  # no other clip of this speaker


class Distance(unittest.TestCase):
    def test_distance_is_one_at_home_and_grows_with_a_shift(self):
        torch.manual_seed(0)
        mix = torch.randn(80, 80) + 8 * torch.outer(torch.randn(80), torch.ones(80))
        train, other = torch.randn(4000, 80) @ mix, torch.randn(500, 80) @ mix
        space = domain.Domain(train, rank=8)
        self.assertAlmostEqual(float(space.distance(other).mean()), 1.0, delta=0.1)
        shifted = other + 2 * train.std(0) * torch.randn(80)
        self.assertGreater(float(space.distance(shifted).min()), float(space.distance(other).max()))

    def test_the_sharpening_is_withdrawn_where_unfamiliar(self):
        curve = domain.temperature_factors(0.5, 1.5)
        self.assertEqual(domain.factors(curve, [0.0, 1.5]).tolist(), [1.0, 1.0])
        self.assertEqual(domain.factors(curve, [1.95, 9.0]).tolist(), [2.0, 2.0])
        self.assertEqual(domain.temperature_factors(1.2, 1.5)["factor"], [1.0, 1.0])


class Interval(unittest.TestCase):
    def test_every_band_is_covered(self):
        rng = np.random.default_rng(0)
        bands = [(20, 29), (30, 39), (40, 49), (50, 59), (60, 74)]
        ages = rng.choice(np.arange(20, 75), 6000, p=np.linspace(2, 0.2, 55) / np.linspace(2, 0.2, 55).sum())
        years = 36 + 0.4 * (ages - 36) + rng.normal(0, 6, len(ages))
        inside, _ = calibration.covered(calibration.balanced_interval(years, ages, bands), years, ages)
        for low, high in bands:
            band = (ages >= low) & (ages <= high)
            self.assertGreater(inside[band].mean(), 0.7, (low, high))


class TwoNetworks(unittest.TestCase):
    @torch.no_grad()
    def test_the_filled_model_predicts_as_the_runs_do(self):
        torch.manual_seed(0)
        clips = Clips(120)
        runs = []
        for dim, dense in ((20, (16, 8, 4)), (12, (6, 5, 4))):
            vectors = torch.randn(1, 120, dim) * torch.rand(dim) + torch.randn(dim)
            versions = robust_training.Versions(
                vectors,
                torch.ones(1, 120, dtype=torch.bool),
                torch.zeros(0, dim),
                torch.zeros(0, dim),
                torch.zeros(0, dtype=torch.long),
            )
            recipe = NetworkRecipe(dense=dense, epochs=2, batch=32, components=8, members=2)
            with torch.enable_grad():
                runs.append(robust_training.Run(recipe, versions, clips, np.arange(120)).run())
        ears = robust_training.Ears(runs, (0.75, 0.25))
        x = torch.cat([run.versions.clips[0] for run in runs], dim=1)
        from persona.robust_model_file import Top  # noqa: PLC0415

        top = Top(32, [sum(t.trunk.dense[i].out_features for t in ears.tops) for i in range(3)])
        ears.fill(top)
        out, expected = top.heads(top.trunk(top.representation(x))), ears.predict(x)
        torch.testing.assert_close(out["emotion"], expected["emotion"], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(out["gender"], expected["gender"], atol=1e-4, rtol=1e-4)
        years = out["age"] * ears.age_scale + ears.age_mean
        torch.testing.assert_close(years, expected["years"], atol=1e-3, rtol=1e-4)


class Clips:
    """Random labels."""

    def __init__(self, count):
        self.emotion, self.sex = torch.randint(0, 6, (count,)), torch.randint(0, 2, (count,))
        self.age = torch.randint(20, 74, (count,)).float()
        self.actors = np.array([str(i % 10) for i in range(count)])

    def column(self, _):
        return self.actors


class Checkpoint(unittest.TestCase):
    def test_the_joint_projection_is_split_and_keys_have_no_bias(self):
        weight = torch.arange(12.0).reshape(6, 2)
        name = "layer_1/self_attention/linear_0/"
        found = whisper_checkpoint.renamed(name + "weight", weight)
        self.assertEqual(found["layers.1.self_attn.k_proj.weight"].tolist(), [[4, 5], [6, 7]])
        bias = whisper_checkpoint.renamed(name + "bias", torch.arange(6.0))
        self.assertEqual(sorted(n.split(".")[-2] for n in bias), ["q_proj", "v_proj"])
        norm = whisper_checkpoint.renamed("layer_0/ffn/layer_norm/gamma", torch.ones(2))
        self.assertEqual(list(norm), ["layers.0.final_layer_norm.weight"])


if __name__ == "__main__":
    unittest.main()
