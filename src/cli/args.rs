//! The arguments, and the engine that they ask for.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use persona_engine::engine::{Limits, Options, System};
use persona_engine::{Error, Result};

use super::eval::EvalArgs;

/// Emotion, gender and age from voice recordings: one model, one pass, offline.
#[derive(Parser)]
#[command(version, about, after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  persona-engine infer call.wav
  persona-engine infer *.mp3 --json > answers.jsonl
  ffmpeg -v error -i video.mp4 -f wav - | persona-engine infer -
  persona-engine eval clips.csv --html report.html
  persona-engine model show

Exit codes: 0 all answered, 1 some input failed, 2 usage or set-up.";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Answer recordings (WAV, MP3).
    Infer(InferArgs),
    /// Measure a system on labelled recordings.
    Eval(Box<EvalArgs>),
    /// Look at model files.
    #[command(subcommand)]
    Model(ModelCommand),
}

#[derive(Args)]
pub(super) struct InferArgs {
    /// Recordings; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// One JSON object a file, a line each.
    #[arg(long)]
    pub(super) json: bool,
    /// The model file to use instead of the one inside the program.
    #[arg(long, value_name = "FILE")]
    pub(super) model: Option<PathBuf>,
    /// Threads for the front-end and the network. The answers are the same for any number.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: u16,
    /// Answer what there is of a recording that ends early or breaks, with a warning.
    #[arg(long)]
    pub(super) accept_truncated: bool,
    /// No warnings on standard error; errors are still told.
    #[arg(long, short)]
    pub(super) quiet: bool,
}

#[derive(Subcommand)]
pub(super) enum ModelCommand {
    /// What a system is, on what it was trained, what it scores, and its limits.
    Show(ShowArgs),
}

#[derive(Args)]
pub(super) struct ShowArgs {
    /// The model file; without it the one inside the program.
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
}

impl InferArgs {
    /// The engine's options.
    pub(super) fn options(&self) -> Options {
        Options {
            threads: usize::from(self.threads),
            limits: Limits { accept_truncated: self.accept_truncated, ..Limits::default() },
            ..Options::default()
        }
    }

    /// Refuses what no parser sees: standard input can be read only once.
    pub(super) fn check(&self) -> Result<()> {
        if self.files.iter().filter(|file| is_stdin(file)).count() > 1 {
            return Err(Error::Config("`-` (standard input) is named twice, and can be read only once".into()));
        }
        Ok(())
    }
}

/// Whether a name stands for standard input.
pub(super) fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// The system of a file, or the one inside the program.
pub(super) fn system(file: Option<&Path>) -> Result<System> {
    match file {
        Some(file) => System::open(file),
        None => inside(),
    }
}

#[cfg(feature = "embedded-weights")]
fn inside() -> Result<System> {
    persona_engine::engine::embedded_system()
}

#[cfg(not(feature = "embedded-weights"))]
fn inside() -> Result<System> {
    let what = "this build holds no model (feature `embedded-weights`): name a model file, such as weights/xvector-cnn.safetensors";
    Err(Error::Config(what.into()))
}
