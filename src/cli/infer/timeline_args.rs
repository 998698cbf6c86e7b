//! The arguments of `infer` for timelines, channels and output formats.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use persona_engine::engine::{Smoothing, Speakers, Timeline};
use persona_engine::export::Audio;
use persona_engine::{Error, Result};

use crate::cli::input::is_stdin;
use crate::cli::speaker_count::speakers;

#[derive(Args)]
#[command(next_help_heading = "Timeline and channels")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct TimelineArgs {
    /// Add a timeline: predictions for each segment of --hop seconds.
    #[arg(long = "timeline")]
    pub(super) show: bool,
    /// Length of a segment in seconds, 0.1 to 3; chunks of 3 s start this far apart. A hop of 1
    /// takes three times as long as no timeline.
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    hop: f64,
    /// How a segment combines the chunks that overlap it: `overlap` averages them, weighted towards
    /// the centre of each chunk; `none` takes the chunk centred on the segment.
    #[arg(long, value_name = "HOW", default_value = "overlap")]
    smoothing: SmoothingArg,
    /// Predict each channel separately (agent and customer) instead of their mean.
    #[arg(long)]
    pub(super) per_channel: bool,
    /// Tell speakers apart: emotion, gender and age for each of them, and for each of their turns.
    /// Their number is counted unless N says so, a number (2) or a range (2..4).
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "auto", value_parser = speakers)]
    pub(super) speakers: Option<Speakers>,
    /// Print one JSON object per segment, one per line, as soon as it is computed; then the report.
    /// With --speakers: one per turn.
    #[arg(long, conflicts_with = "json")]
    pub(super) jsonl: bool,
    /// Print CSV: one row per segment with --timeline, per turn with --speakers, else one per
    /// recording (or channel).
    #[arg(long, conflicts_with_all = ["json", "jsonl"])]
    pub(super) csv: bool,
    /// Also write the timeline, or the turns of speakers, as interval tiers for Praat. OUT is a file, or a folder if there are
    /// several recordings.
    #[arg(long, value_name = "OUT")]
    pub(super) textgrid: Option<PathBuf>,
    /// Also write who speaks when as RTTM. OUT as for --textgrid.
    #[arg(long, value_name = "OUT", requires = "speakers")]
    pub(super) rttm: Option<PathBuf>,
    /// Also write a self-contained page: waveform, timeline, values on hover. OUT as for
    /// --textgrid.
    #[arg(long, value_name = "OUT")]
    pub(super) html: Option<PathBuf>,
    /// Embed the recording in the page so that it can be played (up to 64 MB).
    #[arg(long, requires = "html")]
    pub(super) embed_audio: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum SmoothingArg {
    Overlap,
    None,
}

impl TimelineArgs {
    /// The timeline to compute, if one is printed or written to a file.
    pub(super) fn timeline(&self) -> Option<Timeline> {
        let smoothing = match self.smoothing {
            SmoothingArg::Overlap => Smoothing::Overlap,
            SmoothingArg::None => Smoothing::None,
        };
        let is_needed = self.show || self.textgrid.is_some() || self.html.is_some();
        (is_needed && self.speakers.is_none()).then_some(Timeline { hop_s: self.hop, smoothing })
    }

    /// Refuses one output file for several recordings, and audio that cannot be embedded, before
    /// hours are spent on predictions.
    pub(super) fn check(&self, recordings: &[PathBuf]) -> Result<()> {
        if self.speakers.is_some() && self.show {
            return Err(Error::usage("--speakers prints turns in place of --timeline: drop one of the two"));
        }
        for (option, path) in [("--textgrid", &self.textgrid), ("--rttm", &self.rttm), ("--html", &self.html)] {
            if let Some(path) = path.as_ref().filter(|path| recordings.len() > 1 && !path.is_dir()) {
                let (path, count) = (path.display(), recordings.len());
                return Err(Error::usage(format!(
                    "{option} {path}: must be an existing folder for {count} recordings"
                )));
            }
        }
        if !self.embed_audio {
            return Ok(());
        }
        if recordings.iter().any(|file| is_stdin(file)) {
            return Err(Error::usage("--embed-audio needs a file: standard input cannot be read twice"));
        }
        // A missing file is reported in its turn, like without the option, and does not stop the
        // others.
        recordings.iter().filter(|file| file.exists()).try_for_each(|file| Audio::of(file).map(drop))
    }
}

/// The file to write for a recording: `out` itself, or a file in it named after the recording if it
/// is a folder.
pub(super) fn output_path(out: &Path, recording: &Path, extension: &str) -> PathBuf {
    if !out.is_dir() {
        return out.to_owned();
    }
    let stem = recording.file_stem().filter(|stem| *stem != "-").unwrap_or("stdin".as_ref());
    let mut name = stem.to_owned();
    name.push(".");
    name.push(extension);
    out.join(name)
}
