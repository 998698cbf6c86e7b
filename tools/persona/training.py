"""One training run: summed losses of the three tasks, averaged weights, learning-rate decay, early stopping, checkpoints."""
import copy
import json
import math
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from . import data, networks, scores
from .augment import Augment
from .system_file import LOGMEL

TRUNKS = {"xvector-fcn": networks.FCN, "xvector-cnn": networks.CNN}


@dataclass
class Recipe:
    """Everything that changes what is learned. Written into the header of the system file."""

    system: str = "xvector-cnn"
    epochs: int = 50
    patience: int = 20  # epochs without a better validation loss before a run stops
    batch: int = 64
    learning_rate: float = 1e-3
    warmup: float = 0.05  # share of the steps; then half a cosine down to zero
    weight_decay: float = 0.05
    dropout: float = 0.2
    votes: float = 0.0  # share of the emotion target that comes from the listeners' votes
    smoothing: float = 0.0
    mixup: float = 0.0  # Beta(a, a); 0 turns it off
    augment: float = 0.5
    cropped: float = 0.0  # share of batches that are cropped to a random length
    shortest_crop: int = 60  # frames
    age_weight: float = 0.5
    direct: float = 0.5  # weight of linear heads straight on the embedding, in training alone
    speaker: float = 0.1  # weight of telling the training actors apart by the embedding, in training alone
    averaging: float = 0.998  # decay of the running mean of weights
    tied_bands: int = 3  # highest bands (above 7.35 kHz) that the trained network is made to read as the one below them
    seed: int = 1


def normalise(x):
    """dB → what the network sees; the front-end of the system file says the same."""
    n = LOGMEL["normalisation"]
    return (x + n["offset_db"]) / n["scale_db"]


def soft_cross_entropy(logits, target):
    return -(target * F.log_softmax(logits, dim=1)).sum(1).mean()


class Run:
    """One network on one split. `folder` keeps the checkpoint; a run that finds one there goes on from it."""

    def __init__(self, recipe, clips, split, folder, device):
        self.recipe, self.clips, self.folder, self.device = recipe, clips, folder, device
        self.train, self.validation, self.test = (torch.tensor(part) for part in split)
        torch.manual_seed(recipe.seed)
        self.order = torch.Generator().manual_seed(recipe.seed)  # of batches and crops
        self.generator = torch.Generator(device=device).manual_seed(recipe.seed)  # of everything inside a batch
        self.model = networks.Persona(
            LOGMEL["n_mels"], networks.XVECTOR, TRUNKS[recipe.system], recipe.dropout
        ).to(device)
        actors = clips.column("actor")
        known = {name: k for k, name in enumerate(np.unique(actors[split[0]]))}
        self.speaker = torch.tensor([known.get(name, 0) for name in actors], device=device)
        embedding = networks.XVECTOR["embedding"]
        self.direct = torch.nn.ModuleDict(
            {"heads": networks.Heads(embedding), "speaker": torch.nn.Linear(embedding, len(known))}
        ).to(device)
        self.averaged = AveragedModel(
            self.model, multi_avg_fn=self.running_mean, use_buffers=True
        )
        self.optimiser = torch.optim.AdamW(
            [*self.model.parameters(), *self.direct.parameters()],
            recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=device != "cpu",
        )
        steps = math.ceil(len(self.train) / recipe.batch) * recipe.epochs
        warmup = max(1, int(recipe.warmup * steps))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser,
            lambda k: min((k + 1) / warmup, 0.5 + 0.5 * math.cos(math.pi * min(1, k / steps))),
        )
        ages = clips.age[self.train.to(device)]
        self.age_mean, self.age_scale = ages.mean().item(), ages.std().item()
        self.augment = Augment(recipe.augment, self.generator)
        self.epoch, self.best, self.best_epoch, self.best_weights = 0, math.inf, 0, None
        self.resume()

    @torch.no_grad()
    def running_mean(self, averaged, current, _):
        """The update of the averaged weights: forgets fast while there is little to remember, then as the recipe says."""
        if averaged[0].is_floating_point():  # not the counters of the batch norms
            steps = self.schedule.last_epoch
            torch._foreach_lerp_(averaged, current, 1 - min(self.recipe.averaging, (1 + steps) / (10 + steps)))

    # -- one epoch ---------------------------------------------------------------------------------------------

    def loss(self, index):
        recipe, clips = self.recipe, self.clips
        frames = int(clips.length[index].min())
        if torch.rand((), generator=self.order) < recipe.cropped:
            frames = int(torch.randint(recipe.shortest_crop, frames + 1, (), generator=self.order))
        x = normalise(self.augment(data.crops(clips, index, frames, self.order)))
        index = index.to(self.device)
        emotion = F.one_hot(clips.emotion[index], 6).float()
        emotion = (1 - recipe.votes) * emotion + recipe.votes * clips.votes[index]
        emotion = (1 - recipe.smoothing) * emotion + recipe.smoothing / 6
        sex = F.one_hot(clips.sex[index], 2).float()
        speaker = F.one_hot(self.speaker[index], self.direct["speaker"].out_features).float()
        age = (clips.age[index] - self.age_mean) / self.age_scale
        if recipe.mixup > 0:
            with_ = torch.randperm(len(index), generator=self.generator, device=self.device)
            share = torch.distributions.Beta(recipe.mixup, recipe.mixup).sample((len(index),)).to(self.device)
            mix = lambda v: torch.lerp(v[with_], v, share.view(-1, *[1] * (v.dim() - 1)))
            x, emotion, sex, age, speaker = mix(x), mix(emotion), mix(sex), mix(age), mix(speaker)
        with torch.autocast(self.device, dtype=torch.bfloat16):
            embedding = self.model.xvector(x)
            out = self.model.heads(self.model.trunk(embedding))
            direct = self.direct["heads"](embedding)
            voice = self.direct["speaker"](embedding)
        tasks = lambda out: (
            soft_cross_entropy(out["emotion"].float(), emotion)
            + soft_cross_entropy(out["gender"].float(), sex)
            + recipe.age_weight * F.mse_loss(out["age"].float(), age)
        )
        return tasks(out) + recipe.direct * tasks(direct) + recipe.speaker * soft_cross_entropy(voice.float(), speaker)

    def run_epoch(self):
        self.model.train()
        total = 0.0
        for index in data.shuffled_batches(self.clips, self.train, self.recipe.batch, self.order):
            loss = self.loss(index)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
            self.optimiser.step()
            self.schedule.step()
            self.averaged.update_parameters(self.model)
            total += loss.detach() * len(index)
        return float(total) / len(self.train)

    # -- answers and their measures ----------------------------------------------------------------------------

    @torch.no_grad()
    def outputs(self, index, step=1):
        """Logits and years with the averaged weights in f32, and the clips' indices in the same order. Whole clips, or with a `step`
        all but up to so many frames, which is quicker."""
        self.averaged.eval()
        kept, order = [], []
        for batch, frames in data.batches_of_one_length(self.clips, index, 256, step):
            kept.append(self.averaged(normalise(data.crops(self.clips, batch, frames))))
            order.append(batch)
        out = {key: torch.cat([k[key] for k in kept]).float() for key in kept[0]}
        out["years"] = out["age"] * self.age_scale + self.age_mean
        return out, torch.cat(order).to(self.device)

    def predictions(self, out, order):
        """The arrays that `scores.measure` takes, from `outputs`."""
        arrays = {
            "emotion": out["emotion"].argmax(1),
            "sex": out["gender"].argmax(1),
            "age": out["years"],
            "want_emotion": self.clips.emotion[order],
            "want_sex": self.clips.sex[order],
            "want_age": self.clips.age[order],
        }
        return {key: value.cpu().numpy() for key, value in arrays.items()}

    def total_loss(self, out, order):
        age = (self.clips.age[order] - self.age_mean) / self.age_scale
        return float(
            F.cross_entropy(out["emotion"], self.clips.emotion[order])
            + F.cross_entropy(out["gender"], self.clips.sex[order])
            + F.mse_loss(out["age"], age)
        )

    def temperatures(self):
        """The factor that each softmax's logits are divided by, fitted on the validation clips (Guo et al. 2017)."""
        out, order = self.outputs(self.validation)
        grid = torch.logspace(-0.7, 0.7, 141)
        fit = lambda logits, want: float(
            grid[torch.stack([F.cross_entropy(logits / t, want) for t in grid]).argmin()]
        )
        return {"emotion": fit(out["emotion"], self.clips.emotion[order]), "gender": fit(out["gender"], self.clips.sex[order])}

    # -- the whole run -----------------------------------------------------------------------------------------

    def run(self, epochs=None, log=print, save_every=5):
        """Trains to the end of the schedule, to `epochs`, or until validation has not improved for `patience` epochs; then the
        weights of the best epoch stand in `averaged`."""
        last = epochs or self.recipe.epochs
        while self.epoch < last and self.epoch - self.best_epoch < self.recipe.patience:
            began = time.time()
            loss = self.run_epoch()
            self.epoch += 1
            note = ""
            if len(self.validation):
                outputs = self.outputs(self.validation, step=8)
                held = self.total_loss(*outputs)
                if held < self.best:
                    self.best, self.best_epoch = held, self.epoch
                    self.best_weights = copy.deepcopy(self.averaged.state_dict())
                figures = scores.measure(**self.predictions(*outputs))
                note = f"  held back: loss {held:.3f}  " + "  ".join(
                    f"{key} {figures[key]:.2f}" for key in ("emotion_accuracy", "gender_accuracy", "age_rmse")
                )
            else:
                self.best_epoch = self.epoch
            log(f"{self.folder.name} epoch {self.epoch}: loss {loss:.3f}{note}  ({time.time() - began:.1f} s)")
            if self.epoch % save_every == 0:
                self.save()
        if self.best_weights is not None:
            self.averaged.load_state_dict(self.best_weights)
        self.tie_top_bands()
        return self

    def tie_top_bands(self):
        means = torch.stack([self.clips.frames[:, k].float().mean() for k in range(LOGMEL["n_mels"])]) * (80 / 255) - 80
        networks.tie_top_bands(self.averaged.module.xvector.tdnn[0], self.recipe.tied_bands, normalise(means))

    def state(self):
        return {
            "model": self.model.state_dict(),
            "direct": self.direct.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "generators": [self.order.get_state(), self.generator.get_state()],
            "dropout": [torch.get_rng_state(), *torch.cuda.get_rng_state_all()],
            "progress": (self.epoch, self.best, self.best_epoch),
            "best_weights": self.best_weights,
            "recipe": json.dumps(asdict(self.recipe)),
        }

    def save(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        whole = self.folder / "checkpoint.part"
        torch.save(self.state(), whole)
        whole.replace(self.folder / "checkpoint.pt")

    def resume(self):
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["recipe"] != json.dumps(asdict(self.recipe)):
            raise SystemExit(f"{path} was made by another recipe: remove it, or name another --runs folder")
        self.model.load_state_dict(state["model"])
        self.direct.load_state_dict(state["direct"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        for generator, kept in zip((self.order, self.generator), state["generators"]):
            generator.set_state(kept.cpu())
        torch.set_rng_state(state["dropout"][0].cpu())
        torch.cuda.set_rng_state_all([kept.cpu() for kept in state["dropout"][1:]])
        self.epoch, self.best, self.best_epoch = state["progress"]
        self.best_weights = state["best_weights"]


