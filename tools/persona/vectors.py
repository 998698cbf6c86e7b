"""What the trained part of a system starts from: for x-vectors the spectrograms, else one vector a clip, computed once and kept in the runs' folder.

    mfcc-stats   statistics of the cepstra [240]
    campplus     the taps' statistics, heard in inverted audio and aligned to real audio; clean, and through two lines each (lines.py)
"""
from dataclasses import dataclass

import torch
from safetensors.torch import load_file, save_file

from . import data, outside
from .alignment import Alignment
from .mfcc import MfccStatistics
from .system_file import LOGMEL, normalised


BLOCKS = ("block1", "block2", "block3", "final")  # of CAM++, which an x-vector is taught to tell


@dataclass
class Vectors:
    copies: torch.Tensor  # [copies, clips, dim]; the first are the clean ones
    residuals: torch.Tensor  # [pairs, dim]: by how much aligned made audio misses real audio; none for exact front-ends
    coded: torch.Tensor  # [stretches, dim]: by how much a network in 8-bit integers misses itself; none for exact front-ends
    voices: torch.Tensor  # [stretches, dim] of LibriSpeech, without the speakers that are kept for measuring
    voices_sex: torch.Tensor  # [stretches]
    lines: torch.Tensor | None = None  # [clips, copies − 1]: the line that each copy but the first went through, if they did

    @property
    def clean(self):
        return self.copies[0]


@dataclass
class Stretches:
    """Spectrograms end to end, as `data.Clips` has them."""

    frames: torch.Tensor
    start: torch.Tensor
    length: torch.Tensor


@dataclass
class Spectrograms:
    """What an x-vector hears that learns from the spectrograms on."""

    clips: data.Clips
    blocks: torch.Tensor  # [clips, dim] f16, what CAM++'s blocks hear in each clip
    outside: Stretches
    voices: torch.Tensor  # stretches that may be trained on and whose speaker's sex is known
    voices_sex: torch.Tensor
    lines = None


def of(system, clips, speech, runs):
    """What the training of a system starts from; `speech` is the folder of the outside recordings."""
    if system.representation["kind"] == "xvector":
        return spectrograms(clips, speech, runs)
    kind, outside_heard = system.representation["kind"], load_file(runs / "heard-outside.safetensors")
    if kind == "campplus":
        return campplus(system.representation["taps"], outside_heard, speech, runs)
    path = runs / f"vectors-{kind}.safetensors"
    if not path.exists():
        network = MfccStatistics(LOGMEL["n_mels"], system.representation)
        spoken = Stretches(outside_heard["frames"], outside_heard["start"], outside_heard["length"])
        save_file({"copies": each(network, clips)[None], "voices": each(network, spoken)}, path)
    kept = load_file(path)
    known, sex = sexes(outside_heard["recording"], speech)
    none = kept["copies"].new_zeros(0, kept["copies"].shape[2])
    return Vectors(kept["copies"], none, none, kept["voices"][known], sex)


def sexes(recordings, speech):
    """Which stretches are of LibriSpeech speakers that may be trained on (bool), and those speakers' sexes."""
    found = outside.recordings(speech)
    kept = outside.held_back(found)
    known = torch.tensor([bool(found[r].speaker) and found[r].speaker not in kept for r in recordings.tolist()])
    return known, torch.tensor([data.SEXES.index(found[r].sex) for r, k in zip(recordings.tolist(), known) if k])


def campplus(taps, heard_outside, speech, runs):
    import listen  # a script beside this package

    columns = listen.slices(taps)
    pick = lambda x: torch.cat([x[..., columns[tap]] for tap in taps], dim=-1).float()
    heard = load_file(runs / "heard-clips.safetensors")
    recorded, made, real, made_lines, real_lines = (pick(heard_outside[name]) for name in ("recorded", "made", "real", "made_lines", "real_lines"))
    aligned, aligned_lines = Alignment(made, real), Alignment(made_lines.flatten(0, 1), real_lines.flatten(0, 1))
    clips_lines = pick(heard["clips_lines"]).unbind(1)
    known, sex = sexes(heard_outside["pair_recording"], speech)
    return Vectors(
        copies=torch.stack([aligned(pick(heard["clips"])), *map(aligned_lines, clips_lines)]),
        residuals=real - aligned(made),
        coded=pick(load_file(runs / "heard-codes.safetensors")["missed"]),
        voices=torch.cat([recorded[known], *real_lines[known].unbind(1)]),
        voices_sex=sex.repeat(1 + len(clips_lines)),
        lines=heard["clips_line"],
    )


@torch.no_grad()
def each(network, clips):
    """`network` on every clip, in batches of one length, back in the clips' order."""
    everything, rows = torch.arange(len(clips.length)), None
    for batch, frames in data.batches_of_one_length(clips, everything, 128):
        heard = network(normalised(data.crops(clips, batch, frames), LOGMEL))
        rows = heard.new_zeros(len(everything), heard.shape[1]) if rows is None else rows
        rows[batch] = heard
    return rows


def spectrograms(clips, speech, runs):
    """What `tuning` hears: the clips themselves, CAM++'s blocks in them, and outside stretches, clean and degraded."""
    import listen

    heard = load_file(runs / "heard-outside.safetensors")
    aligned = Alignment(heard["made"].float(), heard["real"].float())(load_file(runs / "heard-clips.safetensors")["clips"].float())
    columns, count = listen.slices(), len(heard["length"])
    known, sex = sexes(heard["recording"], speech)
    voices = torch.nonzero(known)[:, 0]
    return Spectrograms(
        clips=clips,
        blocks=torch.cat([aligned[:, columns[tap]] for tap in BLOCKS], dim=1).half(),
        outside=Stretches(
            torch.cat([heard["frames"], heard["degraded"]]),
            torch.cat([heard["start"], heard["start"] + len(heard["frames"])]),
            heard["length"].repeat(2),
        ),
        voices=torch.cat([voices, voices + count]),
        voices_sex=sex.repeat(2),
    )
