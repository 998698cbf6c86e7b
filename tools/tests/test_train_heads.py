"""Tests of train/train_heads.py on tiny networks with random weights.

One command makes a model from each kind of network that can be imported; the program's predictions
must equal PyTorch's. $PERSONA_ENGINE is the program, by default target/release/persona-engine. The
networks are those of tests/golden/import.
"""

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

try:
    import numpy as np
    import soundfile
    import torch

    from persona.synthetic_audio import speech_like
    from tests import scripts

    train_heads = scripts.load("train/train_heads.py")
except ImportError as missing:
    raise unittest.SkipTest(f"needs tools/requirements.lock: {missing}") from None

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("PERSONA_ENGINE", ROOT / "target" / "release" / "persona-engine"))
GOLDEN = ROOT / "tests" / "golden" / "import"
NETWORKS = {
    "campplus": ["campplus.pt"],
    "speechbrain-xvector": ["speechbrain.ckpt"],
    "kaldi-xvector": ["final.raw", "mfcc.conf", "vad.conf"],
    "wavlm": ["wavlm/base/model.safetensors", "wavlm/base/config.json"],
}


def recordings(folder, speakers=12, each=4):
    """Writes recordings of speakers of different pitch and level, and their table; fold_actor
    separates the speakers."""
    rng = np.random.default_rng(5)
    voice = speech_like(19200)
    with (folder / "clips.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "emotion", "sex", "age", "actor", "fold_clip", "fold_actor"])
        for n in range(speakers * each):
            speaker, take = divmod(n, each)
            faster = np.interp(np.arange(0, 19200, 0.7 + 0.05 * speaker), np.arange(19200), voice)
            soundfile.write(
                folder / f"{n}.wav",
                faster * (0.2 + 0.2 * take) + 1e-3 * rng.standard_normal(len(faster)),
                16000,
            )
            row = [
                ["ANG", "DIS", "FEA", "HAP", "NEU", "SAD"][n % 6],
                ["male", "female"][speaker % 2],
                20 + 4 * speaker,
                speaker,
            ]
            table.writerow([f"{n}.wav", *row, n % 2, speaker // 2 % 2])


def program(*arguments):
    return subprocess.run([PROGRAM, *arguments], check=True, capture_output=True, text=True).stdout


@unittest.skipUnless(PROGRAM.exists(), f"{PROGRAM} is not built")
class TrainHeads(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.scratch.name)
        (cls.folder / "clips").mkdir()
        recordings(cls.folder / "clips")

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def trained(self, kind, trunk):
        """The model file, the script's output, and the training run of the file's own heads."""
        network, output, runs = (
            self.folder / f"{kind}.safetensors",
            self.folder / f"{kind}-{trunk}.safetensors",
            [],
        )
        if not network.exists():
            program(
                "model", "import", kind, *[GOLDEN / file for file in NETWORKS[kind]], "-o", network
            )

        class Kept(train_heads.Run):
            def run(self):
                runs.append(super().run())
                return runs[-1]

        vectors = self.folder / f"{kind}.npy"
        words = [
            network,
            self.folder / "clips",
            "-o",
            output,
            "--trunk",
            trunk,
            "--epochs",
            "4",
            "--vectors",
            vectors,
            "--program",
            PROGRAM,
        ]
        argv, run, printed = sys.argv, train_heads.Run, io.StringIO()
        sys.argv, train_heads.Run = ["train_heads.py", *map(str, words)], Kept
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
                train_heads.main()
        finally:
            sys.argv, train_heads.Run = argv, run
        return output, printed.getvalue(), runs[-1]

    def test_every_network_with_every_trunk_predicts_as_pytorch(self):
        for kind in NETWORKS:
            for trunk in train_heads.TRUNKS:
                with self.subTest(kind=kind, trunk=trunk):
                    model, printed, run = self.trained(kind, trunk)
                    self.assertIn("random clips", printed)
                    self.assertIn("unseen speakers", printed)
                    shown = program("model", "show", model)
                    self.assertIn("emotion", shown)
                    self.assertIn("learning_rate", shown)
                    heads = train_heads.model_file.manifest_of(model)["heads"]
                    expected = run.predict(range(4))
                    for n in range(4):
                        wav = self.folder / "clips" / f"{n}.wav"
                        found = json.loads(
                            program("infer", "--json", "--no-activity", "--model", model, wav)
                        )
                        for head in ("emotion", "gender"):
                            probabilities = torch.softmax(
                                expected[head][n] / heads[head]["temperature"], 0
                            ).numpy()
                            got = [
                                found[head]["probabilities"][label]
                                for label in heads[head]["labels"]
                            ]
                            np.testing.assert_allclose(got, probabilities, atol=2e-4)
                        self.assertAlmostEqual(
                            found["age"]["years"], float(expected["years"][n]), delta=0.1
                        )

    def test_errors_in_a_table_name_the_line(self):
        rows = (self.folder / "clips" / "clips.csv").read_text().splitlines()
        for line, value, what in [
            (2, "ANG,male", "PUZZLED,male"),
            (5, "0.wav", ""),
            (9, "female,24", "female,-3"),
        ]:
            broken = self.folder / "broken.csv"
            changed = (
                rows[line - 1].replace(value, what)
                if value in rows[line - 1]
                else "," + rows[line - 1].split(",", 1)[1]
            )
            broken.write_text("\n".join([*rows[: line - 1], changed, *rows[line:]]))
            with self.assertRaises(SystemExit) as stopped:
                train_heads.read_table(broken)
            self.assertIn(f"line {line}", str(stopped.exception))
        broken.write_text("\n".join(rows[:10]))
        with self.assertRaisesRegex(SystemExit, "9 clips"):
            train_heads.read_table(broken)
        broken.write_text("\n".join(["file,mood", *["1.wav,ANG"] * 50]))
        with self.assertRaisesRegex(SystemExit, "no column emotion; it has file, mood"):
            train_heads.read_table(broken)


class Folds(unittest.TestCase):
    def test_without_columns_speakers_stay_together(self):
        rows, speaker = [{"file": "x"}] * 60, np.repeat([f"s{i}" for i in range(12)], 5)
        found = train_heads.protocols(train_heads.SimpleNamespace(rows=rows, speaker=speaker), 5)
        self.assertEqual(list(found), ["fold_clip", "fold_actor"])
        for parts in found.values():
            self.assertEqual(sorted(np.concatenate(parts).tolist()), list(range(60)))
        for part in found["fold_actor"]:
            self.assertFalse(set(speaker[part]) & set(np.delete(speaker, part)))


if __name__ == "__main__":
    unittest.main()
