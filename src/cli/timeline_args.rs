//! The arguments of `infer` that concern timelines, channels and the forms of the answer.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use persona_engine::engine::{Smoothing, Timeline};
use persona_engine::export::Audio;
use persona_engine::{Error, Result};

use super::args::is_stdin;

/// How a recording changes, and who speaks on which channel.
#[derive(Args)]
#[command(next_help_heading = "Timeline and channels")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct TimelineArgs {
    /// Tell how the recording changes: an answer for each segment of --hop seconds.
    #[arg(long)]
    pub(super) timeline: bool,
    /// Length of a segment in seconds, 0.1 to 3; windows of 3 s begin so far apart. With 1 it takes three times as long as without a timeline.
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    hop: f64,
    /// What a segment takes from the windows that overlap it: `overlap` their mean, the middle one counting most; `none` the one around its
    /// middle, as it came from the network.
    #[arg(long, value_name = "HOW", default_value = "overlap")]
    smoothing: SmoothingArg,
    /// Answer each channel apart (agent and customer), instead of the mean of all.
    #[arg(long)]
    pub(super) per_channel: bool,
    /// One JSON object a segment, a line each, as soon as it is known; then the report.
    #[arg(long, conflicts_with = "json")]
    pub(super) jsonl: bool,
    /// CSV: a row a segment with --timeline, else a row a recording (or channel).
    #[arg(long, conflicts_with_all = ["json", "jsonl"])]
    pub(super) csv: bool,
    /// Write the timeline as interval tiers for Praat too. OUT is a file, or a folder if there are several recordings.
    #[arg(long, value_name = "OUT")]
    pub(super) textgrid: Option<PathBuf>,
    /// Write one page too: waveform, timeline, numbers on hover. It needs nothing beside it. OUT as for --textgrid.
    #[arg(long, value_name = "OUT")]
    pub(super) html: Option<PathBuf>,
    /// Put the recording into the page, so that it plays (up to 64 MB).
    #[arg(long, requires = "html")]
    pub(super) embed_audio: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum SmoothingArg {
    Overlap,
    None,
}

impl TimelineArgs {
    /// The timeline that is needed: to be shown, or for a file.
    pub(super) fn wanted(&self) -> Option<Timeline> {
        let smoothing = match self.smoothing {
            SmoothingArg::Overlap => Smoothing::Overlap,
            SmoothingArg::None => Smoothing::None,
        };
        let for_a_file = self.textgrid.is_some() || self.html.is_some();
        (self.timeline || for_a_file).then_some(Timeline { hop_s: self.hop, smoothing })
    }

    /// Refuses several recordings for one file, and audio that cannot go into a page: before hours are spent on answering it.
    pub(super) fn check(&self, recordings: &[PathBuf]) -> Result<()> {
        let files = recordings.len();
        let into = [("--textgrid", &self.textgrid), ("--html", &self.html)];
        for (name, path) in into.into_iter().filter_map(|(name, path)| Some((name, path.as_ref()?))) {
            if files > 1 && !path.is_dir() {
                let path = path.display();
                return Err(Error::Config(format!(
                    "{name} {path}: with {files} recordings it must be a folder that exists"
                )));
            }
        }
        if !self.embed_audio {
            return Ok(());
        }
        if recordings.iter().any(|file| is_stdin(file)) {
            return Err(Error::Config("--embed-audio: standard input is gone once it was heard; name a file".into()));
        }
        // One that is missing is told, and the others answered, as without the option.
        recordings.iter().filter(|file| file.exists()).try_for_each(|file| Audio::of(file).map(drop))
    }
}

/// The file to write for a recording: `asked` itself, or within it if it is a folder.
pub(super) fn output_of(asked: &Path, recording: &Path, extension: &str) -> PathBuf {
    if !asked.is_dir() {
        return asked.to_owned();
    }
    let stem = recording.file_stem().filter(|stem| *stem != "-").unwrap_or("stdin".as_ref());
    let mut name = stem.to_owned();
    name.push(".");
    name.push(extension);
    asked.join(name)
}
