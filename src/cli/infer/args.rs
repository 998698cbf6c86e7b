//! The arguments of `infer`.

use std::path::PathBuf;

use clap::Args;
use persona_engine::Result;
use persona_engine::engine::Options;

use super::timeline_args::TimelineArgs;
use crate::cli::help::TEMPLATE;
use crate::cli::input::check_stdin_once;
use crate::cli::prediction_args::PredictionArgs;

#[derive(Args)]
#[command(override_usage = "persona-engine infer [OPTIONS] <FILE>...", before_help = EXAMPLES, help_template = TEMPLATE)]
pub(crate) struct InferArgs {
    /// Recordings; `-` is standard input.
    #[arg(required_unless_present = "notice", value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Print one JSON object per file, one per line.
    #[arg(long)]
    pub(super) json: bool,
    /// The recordings are of one speaker: each is predicted minus the baseline of the others. Every
    /// recording is processed twice. Nothing is taken off where they are fewer than three seconds or
    /// too much alike (one mood).
    #[arg(long, conflicts_with = "baseline")]
    pub(super) same_speaker: bool,
    /// Other recordings of the speaker, neutral or of mixed moods: their baseline is taken off.
    /// Nothing is where they are too few or too much alike. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Vec<PathBuf>,
    /// Threads for the front-end and the network. The output is the same for any number.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    #[command(flatten)]
    pub(crate) prediction: PredictionArgs,
    #[command(flatten)]
    pub(super) timeline: TimelineArgs,
}

const EXAMPLES: &str = "\
Examples:
  persona-engine infer call.wav
  persona-engine infer *.mp3 --json > reports.jsonl
  persona-engine infer call.wav --per-channel --timeline --html call.html
  persona-engine infer meeting.wav --speakers
  persona-engine infer call.wav --no-emotion --min-confidence 0.8
  persona-engine infer monday.wav tuesday.wav friday.wav --same-speaker
  ffmpeg -v error -i video.mp4 -f wav - | persona-engine infer -
  sox call.vox -t raw -e mu-law -r 8k -c 1 - | persona-engine infer --raw mulaw:8000:1 -";

impl InferArgs {
    /// The engine's options.
    pub(super) fn options(&self) -> Result<Options> {
        Ok(Options {
            threads: usize::from(self.threads),
            per_channel: self.timeline.per_channel,
            timeline: self.timeline.timeline(),
            speakers: self.timeline.speakers,
            ..self.prediction.options()?
        })
    }

    /// Refuses combinations that the parser cannot see.
    pub(super) fn check(&self) -> Result<()> {
        check_stdin_once(&self.files)?;
        self.timeline.check(&self.files)
    }
}
