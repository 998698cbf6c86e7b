"""The models: front-end, representation, trunk, and the hyper-parameters of their training."""

from dataclasses import dataclass, field, replace

from . import networks
from .campplus import BLOCK_TAPS, CAMPPLUS, FBANK80
from .fine_tuning import TRUNKS, FineTuning
from .mfcc import MFCC_STATS
from .model_file import LOGMEL
from .robust_training import NetworkRecipe

CAMPPLUS_TAPS = {**CAMPPLUS, "taps": BLOCK_TAPS, "normalise": True}


@dataclass
class Recipe:
    """Hyper-parameters of trunk and heads. Written into the model file's header, whose keys are the
    names of these fields."""

    epochs: int = 30
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.15
    input_dropout: float = 0.3
    mixup: float = 0.4  # Beta(a, a) (Zhang et al. 2018); 0 disables it
    age_weight: float = 2.0
    # largest factor of another pair's alignment residual that is added to a vector
    noise: float = 0.0
    codes: float = 0.0  # probability that an int8 error is added to a vector
    changed: float = 0.3  # probability of a copy of the clip under a channel condition
    voices: float = 0.5  # weight of the gender loss on LibriSpeech's speakers
    # trunks of one shape with different seeds, in parallel in one trunk, outputs averaged
    members: int = 1
    line: float = 0.0  # share of ridge regression in the age (ridge_regression.py)
    line_penalty: float = 0.3  # of the ridge regression, per clip
    averaging: float = 0.99  # decay of the running mean of weights
    seed: int = 1


@dataclass
class RobustRecipe:
    """The networks of a robust model and the training of the trunk on each. `shares`: their weights
    in the mean of the emotion logits; gender and age are the first one's (robust_training.py)."""

    networks: dict = field(default_factory=lambda: {"campplus": NetworkRecipe()})
    shares: tuple = (1.0,)
    prior_clips: float = 8.0


@dataclass
class ModelRecipe:
    frontend: dict
    representation: dict
    trunk: dict
    recipe: Recipe | FineTuning | RobustRecipe = field(default_factory=Recipe)
    precision: str = "f32"  # the engine's default for this model; docs/speed.md has the reasons

    @property
    def robust(self):
        return isinstance(self.recipe, RobustRecipe)

    @property
    def shipped_trunk(self):
        """The trunk with all members in parallel and the ridge regression's two units per layer."""
        members = getattr(self.recipe, "members", 1)
        regression = 2 * (getattr(self.recipe, "line", 0.0) > 0)
        dense = [width * members + regression for width in self.trunk["dense"]]
        return {**self.trunk, "dense": dense}


FCN = {**networks.FCN, "dense": [512, 128, 56]}
# all coefficients: the high ones contain the pitch
CEPSTRA = {**MFCC_STATS, "coefficients": 128, "delta_orders": 1}
TWO_TAPS = {**CAMPPLUS_TAPS, "taps": ["block2", "final"]}
MFCC_FCN = Recipe(epochs=40, batch=128, dropout=0.1, input_dropout=0.1, mixup=0.0)
CNN_TRUNK = Recipe(
    epochs=12, batch=128, learning_rate=1e-3, dropout=0.1, input_dropout=0.1, mixup=0.0
)
CAMPPLUS_FCN = Recipe(
    epochs=60, dropout=0.1, noise=0.5, codes=0.5, changed=0.2, members=2, line=0.15
)
# Speech at one level, without the mean, and band powers of at least 46 dB below the speech's
LEVEL = {"speech_dbfs": -23.0, "gate_db": 30.0}
LEVEL_FBANK80 = {**FBANK80, "band_floor": 1e-4}
WHISPER_STATES = {
    "kind": "whisper",
    "mels": 80,
    "width": 512,
    "heads": 8,
    "feed_forward": 2048,
    "layers": 3,
    "states": [2, 3],
    "final_norm": False,
    "pool": "concat",
    "normalise": False,
}
RAW = {
    "kind": "raw",
    "sample_rate_hz": 16000,
    "do_normalize": False,
    "normalize_eps": 1e-7,
    "window_s": 3.0,
    "level": LEVEL,
}
WHISPER_LOGMEL = {"kind": "whisper-logmel", "sample_rate_hz": 16000, "n_mels": 80, "window_s": 3.0}
BOTH = {
    "kind": "concat",
    "normalise": True,
    "parts": [
        {
            "frontend": LEVEL_FBANK80,
            "representation": {**CAMPPLUS_TAPS, "normalise": False},
        },
        {"frontend": WHISPER_LOGMEL, "representation": WHISPER_STATES},
    ],
}
WHISPER_TRUNK = NetworkRecipe(
    dense=(128, 128, 56), epochs=30, components=512, voices=0.0, line=0.0, seed=11
)
BOTH_NETWORKS = RobustRecipe(
    {"campplus": NetworkRecipe(), "whisper": WHISPER_TRUNK}, shares=(2 / 3, 1 / 3)
)
CAMPPLUS_CNN = replace(
    CNN_TRUNK, epochs=10, input_dropout=0.0, age_weight=1.0, noise=0.5, changed=0.0, voices=0.0
)
MODELS = {
    "mfcc-fcn": ModelRecipe(LOGMEL, CEPSTRA, {**networks.FCN, "dense": [1024, 256, 56]}, MFCC_FCN),
    "mfcc-cnn": ModelRecipe(LOGMEL, CEPSTRA, networks.CNN, CNN_TRUNK),
    "xvector-fcn": ModelRecipe(LOGMEL, networks.XVECTOR, TRUNKS["fcn"], FineTuning(), "int8"),
    "xvector-cnn": ModelRecipe(LOGMEL, networks.XVECTOR, TRUNKS["cnn"], FineTuning(), "int8"),
    "campplus-fcn": ModelRecipe(FBANK80, CAMPPLUS_TAPS, FCN, CAMPPLUS_FCN),
    "campplus-robust-fcn": ModelRecipe(
        {**LEVEL_FBANK80, "level": LEVEL}, CAMPPLUS_TAPS, networks.FCN, RobustRecipe()
    ),
    "campplus-whisper-fcn": ModelRecipe(RAW, BOTH, networks.FCN, BOTH_NETWORKS, "int8"),
    "campplus-cnn": ModelRecipe(FBANK80, TWO_TAPS, networks.CNN, CAMPPLUS_CNN),
}
