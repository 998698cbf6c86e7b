"""The inputs of training: spectrograms for x-vectors, else one vector per clip, computed once and
cached in the runs folder.

    mfcc-stats   statistics of the cepstra [240]
    campplus     statistics of the taps, computed on reconstructed audio and aligned to recorded
                 audio; clean, and under two channel conditions each (channel_conditions.py)
"""

from dataclasses import dataclass

import torch
from safetensors.torch import load_file, save_file

from . import crema_d, other_corpora
from .alignment import Alignment
from .campplus import BLOCK_TAPS, tap_columns
from .mfcc import MfccStatistics
from .model_file import LOGMEL, normalised

# what train/embed_corpus.py writes into the runs folder
CLIPS_FILE = "campplus-clips.safetensors"
OTHER_FILE = "campplus-other.safetensors"
INT8_FILE = "campplus-int8.safetensors"


@dataclass
class Vectors:
    copies: torch.Tensor  # [copies, clips, dim]; the first copy is the clean one
    # [pairs, dim]: recorded − aligned reconstructed; empty for exact front-ends
    residuals: torch.Tensor
    int8_errors: torch.Tensor  # [segments, dim]: int8 − f32; empty for exact front-ends
    other_speakers: torch.Tensor  # [segments, dim] of LibriSpeech, without the held-out speakers
    other_speakers_sex: torch.Tensor  # [segments]
    # [clips, copies − 1]: number of the channel condition of each copy but the first, if any
    conditions: torch.Tensor | None = None

    @property
    def clean(self):
        return self.copies[0]


@dataclass
class Segments:
    """Concatenated spectrograms, laid out as in `crema_d.Clips`."""

    frames: torch.Tensor
    start: torch.Tensor
    length: torch.Tensor


@dataclass
class Spectrograms:
    """Inputs of an x-vector that is trained from spectrograms."""

    clips: crema_d.Clips
    blocks: torch.Tensor  # [clips, dim] f16, CAM++'s block statistics of each clip
    other: Segments
    other_speakers: torch.Tensor  # segments with a speaker of known sex who is not held out
    other_speakers_sex: torch.Tensor
    conditions = None


def load(model, clips, speech, runs):
    """The training inputs of a `ModelRecipe`; `speech` is the folder of the other corpora."""
    kind = model.representation["kind"]
    if kind == "xvector":
        return spectrograms(clips, speech, runs)
    other = load_file(runs / OTHER_FILE)
    if kind == "campplus":
        return campplus(model.representation["taps"], other, speech, runs)
    path = runs / f"vectors-{kind}.safetensors"
    if not path.exists():
        network = MfccStatistics(LOGMEL["n_mels"], model.representation)
        segments = Segments(other["frames"], other["start"], other["length"])
        vectors = {"copies": each(network, clips)[None], "voices": each(network, segments)}
        save_file(vectors, path)
    cached = load_file(path)
    known, sex = sexes(other["recording"], speech)
    none = cached["copies"].new_zeros(0, cached["copies"].shape[2])
    return Vectors(cached["copies"], none, none, cached["voices"][known], sex)


def sexes(recordings, speech):
    """(bool [segments]: a LibriSpeech speaker who is not held out, the sex of each of those)."""
    found = other_corpora.recordings(speech)
    held_out = other_corpora.held_out(found)
    recordings = recordings.tolist()
    known = [bool(found[r].speaker) and found[r].speaker not in held_out for r in recordings]
    sex = [crema_d.SEXES.index(found[r].sex) for r, k in zip(recordings, known, strict=True) if k]
    return torch.tensor(known), torch.tensor(sex)


def campplus(taps, other, speech, runs):
    columns = tap_columns(taps)

    def pick(x):
        return torch.cat([x[..., columns[tap]] for tap in taps], dim=-1).float()

    clips = load_file(runs / CLIPS_FILE)
    reconstructed, noisy = pick(other["reconstructed"]), pick(other["noisy"])
    noisy_conditions = pick(other["noisy_conditions"])
    aligned = Alignment(reconstructed, noisy)
    aligned_conditions = Alignment(
        pick(other["reconstructed_conditions"]).flatten(0, 1), noisy_conditions.flatten(0, 1)
    )
    copies = pick(clips["clips_conditions"]).unbind(1)
    known, sex = sexes(other["pair_recording"], speech)
    return Vectors(
        copies=torch.stack([aligned(pick(clips["clips"])), *map(aligned_conditions, copies)]),
        residuals=noisy - aligned(reconstructed),
        int8_errors=pick(load_file(runs / INT8_FILE)["errors"]),
        other_speakers=torch.cat(
            [pick(other["recorded"])[known], *noisy_conditions[known].unbind(1)]
        ),
        other_speakers_sex=sex.repeat(1 + len(copies)),
        conditions=clips["clip_conditions"],
    )


@torch.no_grad()
def each(network, clips):
    """Runs `network` on every clip, in batches of one length; rows in the clips' order."""
    everything, rows = torch.arange(len(clips.length)), None
    for batch, frames in crema_d.batches_of_one_length(clips, everything, 128):
        out = network(normalised(crema_d.crops(clips, batch, frames), LOGMEL))
        rows = out.new_zeros(len(everything), out.shape[1]) if rows is None else rows
        rows[batch] = out
    return rows


def aligned_clips(other, runs):
    """All taps' vectors of CREMA-D's clips [clips, dim], aligned to recorded audio."""
    align = Alignment(other["reconstructed"].float(), other["noisy"].float())
    return align(load_file(runs / CLIPS_FILE)["clips"].float())


def spectrograms(clips, speech, runs):
    """Inputs of `fine_tuning`: the clips, CAM++'s block statistics of them, and segments of other
    corpora, clean and degraded."""
    other = load_file(runs / OTHER_FILE)
    aligned = aligned_clips(other, runs)
    columns, count = tap_columns(), len(other["length"])
    known, sex = sexes(other["recording"], speech)
    speakers = torch.nonzero(known)[:, 0]
    return Spectrograms(
        clips=clips,
        blocks=torch.cat([aligned[:, columns[tap]] for tap in BLOCK_TAPS], dim=1).half(),
        other=Segments(
            torch.cat([other["frames"], other["degraded"]]),
            torch.cat([other["start"], other["start"] + len(other["frames"])]),
            other["length"].repeat(2),
        ),
        other_speakers=torch.cat([speakers, speakers + count]),
        other_speakers_sex=sex.repeat(2),
    )
