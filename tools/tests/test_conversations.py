"""Tests of made conversations: truth, overlap, determinism."""

import tempfile
import unittest
from pathlib import Path

try:
    import numpy as np

    from persona import conversations
    from persona.synthetic_audio import RATE_HZ, write_wav
except ImportError as missing:
    raise unittest.SkipTest(f"needs tools/requirements.lock: {missing}") from None


def bursts(spans, seconds, seed):
    """Noise in spans of time above a background 60 dB below it."""
    samples = 1e-4 * np.random.default_rng(seed).standard_normal(int(seconds * RATE_HZ))
    for start, end in spans:
        part = slice(int(start * RATE_HZ), int(end * RATE_HZ))
        samples[part] += 0.1 * np.random.default_rng(seed + 1).standard_normal(
            part.stop - part.start
        )
    return samples


def speakers(folder):
    found = []
    for number in range(3):
        path = Path(folder) / f"{number}.wav"
        spans = [(0.5, 2.0), (2.6, 4.0), (4.5, 7.5), (8.2, 9.0)]
        write_wav(path, bursts(spans, 10, 10 * number))
        found.append(conversations.Speaker(str(number), "female", recordings=[(path, "NEU")]))
    return found


class Conversations(unittest.TestCase):
    def test_speech_is_found_and_short_pauses_are_none(self):
        found = conversations.speech(bursts([(1.0, 2.0), (2.2, 3.0), (4.0, 5.0)], 6, 0))
        self.assertEqual(len(found), 2)
        for (start, end), (a, b) in zip(found, [(1.0, 3.0), (4.0, 5.0)], strict=True):
            self.assertLess(abs(start - a) + abs(end - b), 0.08)

    def test_the_truth_is_where_the_sound_is(self):
        with tempfile.TemporaryDirectory() as folder:
            made = conversations.conversation(
                speakers(folder), 0.2, "clean", 30, np.random.default_rng(5)
            )
        spoken = conversations.speaking(made.turns, made.seconds) > 0
        power = made.samples[: len(spoken) * 160 - 160].reshape(-1, 160).std(axis=1)
        loud = power > 0.1 * np.percentile(power, 90)
        spoken = spoken[: len(loud)]
        self.assertLess((loud != spoken).mean(), 0.05)
        self.assertLessEqual(conversations.speaking(made.turns, made.seconds).max(), 2)
        self.assertGreater(made.overlap, 0.0)
        total = sum(b - a for turn in made.turns for a, b in turn.speech)
        self.assertAlmostEqual(total, 3 * 6.7, delta=0.6)

    def test_one_seed_makes_one_conversation(self):
        with tempfile.TemporaryDirectory() as folder:
            people = speakers(folder)
            texts = [
                conversations.rttm(
                    "x",
                    conversations.conversation(people, 0.1, "room", 30, np.random.default_rng(7)),
                )
                for _ in range(2)
            ]
        self.assertEqual(texts[0], texts[1])
        self.assertTrue(all(line.startswith("SPEAKER x 1 ") for line in texts[0]))

    def test_the_parts_share_no_speaker(self):
        people = [conversations.Speaker(str(n), "male") for n in range(23)]
        parts = [conversations.split(people, part) for part in ("development", "evaluation")]
        names = [{speaker.name for speaker in part} for part in parts]
        self.assertEqual(names[0] & names[1], set())
        self.assertEqual(len(names[0]) + len(names[1]), 23)


if __name__ == "__main__":
    unittest.main()
