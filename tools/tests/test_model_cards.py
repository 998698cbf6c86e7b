"""Tests of docs/model_cards.py."""

import json
import struct
import tempfile
import unittest
from pathlib import Path

from tests import scripts

model_cards = scripts.load("docs/model_cards.py")

MANIFEST = {
    "name": "tiny",
    "created_by": "a test, recipe {}",
    "licence": "CC0-1.0",
    "data": {"corpus": "none", "actors": ["1", "2", "3"]},
    "frontend": {
        "kind": "kaldi-fbank",
        "frame_opts": {"samp_freq": 16000},
        "mel_opts": {"num_bins": 80},
    },
    "representation": {"kind": "campplus"},
    "trunk": {"kind": "fcn", "dense": [200, 128, 56]},
    "heads": {
        "emotion": {"labels": ["anger", "sadness"], "temperature": 1.25},
        "gender": {"labels": ["female", "male"], "temperature": 1.0},
        "age": {
            "mean_years": 40.0,
            "scale_years": 10.0,
            "interval": {
                "coverage": 0.8,
                "knots_years": [20, 40, 60],
                "low_years": [18, 30, 38],
                "high_years": [33, 55, 66],
            },
        },
    },
    "sha256": "0123456789abcdef" * 4,
}


def measures(emotion, gender, rmse):
    values = {"emotion_accuracy": emotion, "gender_accuracy": gender, "age_rmse": rmse}
    return {key: {"mean": value, "std": 0.5} for key, value in values.items()}


ROW = {
    "system": "tiny",
    "protocol": "fold_actor",
    "folds": [0, 1],
    **measures(60.0, 98.0, 11.0),
    "groups": {
        "female": measures(61.5, 97.0, 10.0),
        "male": measures(58.0, 99.0, 12.0),
        "age 20-29": measures(60.0, 98.0, 11.0),
    },
}


def model_file(path, manifest=MANIFEST, tensors=None):
    header = {
        "__metadata__": {"persona": json.dumps(manifest)},
        **(tensors or {"a": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}}),
    }
    header = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(12))


class Cards(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.weights = Path(folder.name)
        model_file(self.weights / "tiny.safetensors")
        (self.weights / "results.json").write_text(json.dumps({"default": "tiny", "rows": [ROW]}))

    def card(self, evaluations=()):
        return model_cards.pages(self.weights, list(evaluations))[self.weights / "tiny.md"]

    def test_a_card_contains_the_facts_of_the_files(self):
        card = self.card()
        for words in [
            "Kaldi fbank (80 bands, 16000 Hz) → CAM++ → FCN trunk (200-128-56)",
            "f16",
            "- actors: 3",
            "CC0-1.0",
            "emotion 1.25",
            "| **unseen speakers (speaker-independent)**, 2 folds "
            "| 60.0 ± 0.5 | 98.0 ± 0.5 | 11.0 ± 0.5 | – |",
            "80 % of the speakers",
            "30 to 55 for a predicted age of 40",
            "not evaluated",
            "article 50(3)",
        ]:
            self.assertIn(words, card)

    def test_the_largest_gap_names_both_groups(self):
        self.assertIn(
            "between sexes, unseen speakers: emotion 3.5 points (female 61.5, male 58.0)",
            self.card(),
        )
        self.assertNotIn("Largest gap between age bands", self.card(), "one band alone has no gap")

    def test_a_model_without_scores_is_marked(self):
        (self.weights / "results.json").write_text(json.dumps({"default": "tiny", "rows": []}))
        self.assertIn("Not evaluated.", self.card())

    def test_the_index_links_each_card_and_marks_the_default(self):
        index = model_cards.pages(self.weights, [])[self.weights / "README.md"]
        self.assertIn(
            "| [tiny](tiny.md) (the default) | 0.0 MB | `0123456789abcdef` | 60.0 ± 0.5 |", index
        )

    def test_files_that_are_not_models_are_named(self):
        for name, content in [
            ("cut", b"\x07"),
            ("long", struct.pack("<Q", 1 << 60)),
            ("text", struct.pack("<Q", 2) + b"{}"),
        ]:
            path = self.weights / f"{name}.safetensors"
            path.write_bytes(content)
            with self.assertRaisesRegex(model_cards.UnreadableError, f"{name}.safetensors"):
                self.card()
            path.unlink()
        model_file(self.weights / "other.safetensors")
        with self.assertRaisesRegex(model_cards.UnreadableError, "names the model `tiny`"):
            self.card()

    def test_an_unknown_section_is_named(self):
        path = self.weights / "hand.md"
        path.write_text("Text in front.\n\n## Limits\n\n- One.\n\n## Limmits\n\n- Two.\n")
        with self.assertRaisesRegex(model_cards.UnreadableError, "Limmits"):
            model_cards.by_hand(path)
        path.write_text("## Limits\n\n- One.\n")
        self.assertEqual(model_cards.by_hand(path), {"Limits": "- One."})
        self.assertEqual(model_cards.by_hand(self.weights / "none.md"), {})

    def evaluation(self, **changes):
        report = {
            "system": {"name": "tiny", "sha256": MANIFEST["sha256"]},
            "input": {
                "table": "some/clips.csv",
                "clips": 900,
                "speakers": 12,
                "where": ["fold_actor=0"],
            },
            "training_overlap": {"checked": True, "speakers": [], "of": 12},
            "overall": {
                "emotion": {"ece": {"value": 0.0234, "low": 0.01, "high": 0.04}},
                "gender": None,
                "age": {"interval_coverage": {"value": 0.79}, "interval_width": {"value": 24.6}},
            },
            "groups": [
                {
                    "column": "age_band",
                    "value": "20-29",
                    "age": {"interval_coverage": {"value": 0.9}},
                },
                {
                    "column": "age_band",
                    "value": "70-79",
                    "age": {"interval_coverage": {"value": None}},
                },
                {"column": "sex", "value": "male", "age": {"interval_coverage": {"value": 0.1}}},
            ],
            **changes,
        }
        path = self.weights / "evaluation.json"
        path.write_text(json.dumps(report))
        return self.card([path])

    def test_an_evaluation_gives_calibration_and_coverage_by_band(self):
        self.assertIn(
            "- Evaluated on clips.csv (900 clips, 12 speakers; fold_actor=0): "
            "expected calibration error emotion 0.023; the age interval covers 79 %, "
            "25 years wide on average (20-29: 90 %).",
            self.evaluation(),
        )

    def test_an_evaluation_on_training_speakers_or_of_other_weights_is_marked(self):
        known = self.evaluation(
            training_overlap={"checked": True, "speakers": ["1", "2"], "of": 12}
        )
        self.assertIn("**2 of the speakers are in the training set**", known)
        self.assertIn(
            "it is unknown whether",
            self.evaluation(training_overlap={"checked": False, "speakers": [], "of": 0}),
        )
        self.assertIn(
            "other weights of this configuration, ffff",
            self.evaluation(system={"name": "tiny", "sha256": "f" * 64}),
        )

    def test_evaluations_of_other_models_or_without_metrics_are_omitted(self):
        self.assertIn("not evaluated", self.evaluation(system={"name": "other", "sha256": ""}))
        self.assertIn("not evaluated", self.evaluation(overall={}, groups=[]))

    def test_files_that_are_not_evaluations_are_named(self):
        path = self.weights / "no-eval.json"
        for text in ["{}", "[]", "{"]:
            path.write_text(text)
            with self.assertRaisesRegex(model_cards.UnreadableError, "no-eval.json"):
                self.card([path])


if __name__ == "__main__":
    unittest.main()
