"""The systems: what each hears, how its representation comes about, its trunk, and its recipe of training."""
from dataclasses import dataclass, field, replace

from . import networks
from .campplus import CAMPPLUS, FBANK80
from .mfcc import MFCC_STATS
from .system_file import LOGMEL
from .tuning import TRUNKS, Tuning

CAMPPLUS_TAPS = {**CAMPPLUS, "taps": ["block1", "block2", "block3", "final"], "normalise": True}


@dataclass
class Recipe:
    """Everything that changes what the trunk and the heads learn. Written into the header of the system file."""

    epochs: int = 30
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.15
    input_dropout: float = 0.3
    mixup: float = 0.4  # Beta(a, a) (Zhang et al. 2018); 0 turns it off
    age_weight: float = 2.0
    noise: float = 0.0  # share of what made audio differs by from real, added from pairs of others
    codes: float = 0.0  # chance that a clip is taken as a network in 8-bit integers would hear it
    changed: float = 0.3  # chance that a clip is taken as one of its changed copies, where it has some
    voices: float = 0.5  # weight of telling the sex of outside voices (LibriSpeech) beside CREMA-D's
    members: int = 1  # tops of one shape and different seeds, side by side in one trunk; their heads' answers are averaged
    line: float = 0.0  # share of a straight line in the age (line.py)
    line_penalty: float = 0.3  # of its ridge regression, for each clip
    averaging: float = 0.99  # decay of the running mean of weights
    seed: int = 1


@dataclass
class System:
    frontend: dict
    representation: dict
    trunk: dict
    recipe: Recipe | Tuning = field(default_factory=Recipe)
    precision: str = "f32"  # of the engine where nobody asks for one; docs/speed.md, "What it costs", says why

    @property
    def shipped_trunk(self):
        """The trunk with all members side by side, and the line beside them."""
        members, line = getattr(self.recipe, "members", 1), 2 * (getattr(self.recipe, "line", 0.0) > 0)
        return {**self.trunk, "dense": [width * members + line for width in self.trunk["dense"]]}


FCN = {**networks.FCN, "dense": [512, 128, 56]}
CEPSTRA = {**MFCC_STATS, "coefficients": 128, "delta_orders": 1}  # all of them: the high ones hold the pitch
TWO_TAPS = {**CAMPPLUS_TAPS, "taps": ["block2", "final"]}
MFCC_FCN = Recipe(epochs=40, batch=128, dropout=0.1, input_dropout=0.1, mixup=0.0)
CONVOLVED = Recipe(epochs=12, batch=128, learning_rate=1e-3, dropout=0.1, input_dropout=0.1, mixup=0.0)
SYSTEMS = {
    "mfcc-fcn": System(LOGMEL, CEPSTRA, {**networks.FCN, "dense": [1024, 256, 56]}, MFCC_FCN),
    "mfcc-cnn": System(LOGMEL, CEPSTRA, networks.CNN, CONVOLVED),
    "xvector-fcn": System(LOGMEL, networks.XVECTOR, TRUNKS["fcn"], Tuning(), "int8"),
    "xvector-cnn": System(LOGMEL, networks.XVECTOR, TRUNKS["cnn"], Tuning(), "int8"),
    "campplus-fcn": System(FBANK80, CAMPPLUS_TAPS, FCN, Recipe(epochs=60, dropout=0.1, noise=0.5, codes=0.5, changed=0.2, members=2, line=0.15)),
    "campplus-cnn": System(FBANK80, TWO_TAPS, networks.CNN, replace(CONVOLVED, epochs=10, input_dropout=0.0, age_weight=1.0, noise=0.5, changed=0.0, voices=0.0)),
}
