//! The arguments, and the engine that they ask for.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use persona_engine::engine::{
    ActiveHeads, Catalogue, DEFAULT_MODEL, Limits, LoadOptions, Model, Options, Precision, RawFormat,
};
use persona_engine::{Error, Result};

use super::batch::BatchArgs;
use super::check::CheckArgs;
use super::embed::{EmbedArgs, SimilarityArgs};
use super::eval::EvalArgs;
use super::features::FeaturesArgs;
use super::generate::{CompletionsArgs, ManArgs};
use super::import::ImportArgs;
use super::quantize::QuantizeArgs;
use super::timeline_args::TimelineArgs;

/// Emotion, gender and age from voice recordings: one model, one pass, offline.
#[derive(Parser)]
#[command(version, about, before_help = EXAMPLES, after_help = CODES, help_template = TEMPLATE)]
#[command(arg_required_else_help = true, args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    /// Print a text that tells the people concerned what is done with their voices (`infer --notice` takes the answers that are left out into account).
    #[arg(long)]
    pub(super) notice: bool,
}

/// What it is for, how it is used, then everything else.
pub(super) const TEMPLATE: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

const EXAMPLES: &str = "\
Examples:
  persona-engine infer call.wav                            a table for people
  persona-engine infer *.mp3 --json > answers.jsonl        one object a file, for programs
  persona-engine infer call.wav --per-channel --timeline   who speaks on which channel, and how it changes
  persona-engine batch calls/ -o results.jsonl             thousands of files, on all cores
  persona-engine eval clips.csv --html report.html         what it is worth on your recordings
  persona-engine model list                                the systems that there are";

const CODES: &str = "\
Variables: PERSONA_MODEL the system where --model names none, PERSONA_MODELS folders with more systems, NO_COLOR no colours.
Exit codes: 0 all answered, 1 some input failed (the others are answered), 2 usage or set-up.

It estimates; it finds out nothing about a person. `persona-engine model show` has the limits, `persona-engine --notice` what to tell whom.";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Answer recordings (WAV, MP3, FLAC, Ogg Vorbis, M4A, raw PCM).
    Infer(InferArgs),
    /// Answer thousands of recordings: folders, patterns, manifests; in order, on all cores, taken up after a crash.
    Batch(Box<BatchArgs>),
    /// Measure a system on labelled recordings.
    Eval(Box<EvalArgs>),
    /// Print recordings' embeddings, or write them to a file.
    Embed(EmbedArgs),
    /// The cosine of two recordings' embeddings.
    Similarity(SimilarityArgs),
    /// Write a recording's features, or hold them against another toolkit's.
    Features(FeaturesArgs),
    /// Answer over HTTP, with a page for the browser.
    #[cfg(feature = "serve")]
    Serve(Box<super::serve::ServeArgs>),
    /// Look at model files.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Print a script that teaches a shell to complete.
    Completions(CompletionsArgs),
    /// Print the manual page.
    Man(ManArgs),
}

#[derive(Args)]
#[command(override_usage = "persona-engine infer [OPTIONS] <FILE>...", before_help = INFER_EXAMPLES, help_template = TEMPLATE)]
pub(super) struct InferArgs {
    /// Recordings; `-` is standard input.
    #[arg(required_unless_present = "notice", value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// One JSON object a file, a line each.
    #[arg(long)]
    pub(super) json: bool,
    /// Threads for the front-end and the network. The answers are the same for any number.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: u16,
    #[command(flatten)]
    pub(super) answer: AnswerArgs,
    #[command(flatten)]
    pub(super) timeline: TimelineArgs,
}

const INFER_EXAMPLES: &str = "\
Examples:
  persona-engine infer call.wav
  persona-engine infer *.mp3 --json > answers.jsonl
  persona-engine infer call.wav --per-channel --timeline --html call.html
  persona-engine infer call.wav --no-emotion --min-confidence 0.8
  ffmpeg -v error -i video.mp4 -f wav - | persona-engine infer -
  sox call.vox -t raw -e mu-law -r 8k -c 1 - | persona-engine infer --raw mulaw:8000:1 -";

/// How recordings are answered: what `infer` and `batch` have in common.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct AnswerArgs {
    /// The system to use: a name of `model list`, or a file's path [default: $PERSONA_MODEL, else the default system].
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) model: Option<OsString>,
    /// Numbers of the network's products: int8 takes half the time and moves answers a little. `auto` is what the system's file asks for (`model show`), else f32.
    #[arg(long, value_name = "f32|int8|auto", default_value = "auto", hide_default_value = true)]
    pub(super) precision: PrecisionArg,
    /// Withhold emotion and gender, each on its own, where the best label's probability is below P (0 to 1). An age has no probability:
    /// it is withheld only together with both.
    #[arg(long, value_name = "P", default_value_t = 0.0, hide_default_value = true, allow_negative_numbers = true, value_parser = share)]
    pub(super) min_confidence: f64,
    #[command(flatten)]
    pub(super) heads: HeadArgs,
    /// Inputs have no header: ENCODING is s16le, s16be, s24le, s32le, f32le, u8, mulaw or alaw, RATE in Hz.
    #[arg(long, value_name = "ENCODING:RATE:CHANNELS")]
    pub(super) raw: Option<RawFormat>,
    /// Answer windows without speech too, and clipped or drowned ones: all that are not silent.
    #[arg(long)]
    pub(super) no_activity: bool,
    /// Answer what there is of a recording that ends early or breaks, with a warning.
    #[arg(long)]
    pub(super) accept_truncated: bool,
    /// Append a line for each recording to a log: time, SHA-256 of the input, system, heads, outcome; never the audio.
    #[arg(long, value_name = "LOG.jsonl")]
    pub(super) audit: Option<PathBuf>,
    /// Print a text that tells the people concerned what is done with their voices, and answer nothing.
    #[arg(long)]
    pub(super) notice: bool,
    /// No warnings on standard error; errors are still told.
    #[arg(long, short)]
    pub(super) quiet: bool,
}

/// Predictions that are not wanted, or not allowed. What is switched off is not computed.
#[derive(Args)]
pub(super) struct HeadArgs {
    /// Leave emotion out: it is not computed, not printed and has no key in JSON.
    #[arg(long)]
    no_emotion: bool,
    /// Leave gender out, likewise.
    #[arg(long)]
    no_gender: bool,
    /// Leave age out, likewise.
    #[arg(long)]
    no_age: bool,
}

impl HeadArgs {
    /// The heads that are left.
    pub(super) fn active(&self) -> Result<ActiveHeads> {
        let heads = ActiveHeads { emotion: !self.no_emotion, gender: !self.no_gender, age: !self.no_age };
        if heads.names().next().is_none() {
            let message = "--no-emotion, --no-gender and --no-age leave nothing to answer: drop one of them";
            return Err(Error::Config(message.into()));
        }
        Ok(heads)
    }
}

#[derive(Subcommand)]
pub(super) enum ModelCommand {
    /// The systems that there are: inside the program, then installed ones.
    List(ListArgs),
    /// What a system is, on what it was trained, what it scores, and its limits.
    Show(ShowArgs),
    /// Make a model file from another toolkit's checkpoint, without Python.
    Import(ImportArgs),
    /// Make a smaller model file, its layers as 8-bit codes: the same answers as with --precision int8.
    Quantize(QuantizeArgs),
    /// Hold a model against what another implementation computed, layer by layer.
    Check(CheckArgs),
}

#[derive(Args)]
#[command(after_help = FOLDERS)]
pub(super) struct ListArgs {
    /// One JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

const FOLDERS: &str = "\
Installed systems are files *.safetensors in
  the folders of $PERSONA_MODELS (separated as in $PATH)
  persona-engine-models/ and weights/ next to the program
  $XDG_DATA_HOME/persona-engine (~/.local/share/persona-engine)
  /usr/share/persona-engine
The first one of a name has it.";

#[derive(Args)]
pub(super) struct ShowArgs {
    /// A name of `model list`, or a file's path [default: $PERSONA_MODEL, else the default system].
    #[arg(value_name = "NAME|FILE")]
    pub(super) model: Option<OsString>,
}

impl AnswerArgs {
    /// The engine's options, with one thread.
    pub(super) fn options(&self) -> Result<Options> {
        Ok(Options {
            heads: self.heads.active()?,
            raw: self.raw.clone(),
            activity: !self.no_activity,
            min_confidence: self.min_confidence,
            limits: Limits { accept_truncated: self.accept_truncated, ..Limits::default() },
            ..Options::default()
        })
    }
}

impl InferArgs {
    /// The engine's options.
    pub(super) fn options(&self) -> Result<Options> {
        let (threads, per_channel) = (usize::from(self.threads), self.timeline.per_channel);
        Ok(Options { threads, per_channel, timeline: self.timeline.wanted(), ..self.answer.options()? })
    }

    /// Refuses what no parser sees: standard input can be read only once.
    pub(super) fn check(&self) -> Result<()> {
        one_stdin(&self.files)?;
        self.timeline.check(&self.files)
    }
}

/// Refuses standard input that is named twice.
pub(super) fn one_stdin(files: &[impl AsRef<Path>]) -> Result<()> {
    if files.iter().filter(|file| is_stdin(file.as_ref())).count() > 1 {
        return Err(Error::Config("`-` (standard input) is named twice, and can be read only once".into()));
    }
    Ok(())
}

/// Whether a name stands for standard input.
pub(super) fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// The variable that names the system to use where the arguments do not.
pub(super) const MODEL_VARIABLE: &str = "PERSONA_MODEL";

/// What [`MODEL_VARIABLE`] asks for; set to nothing it asks for nothing.
pub(super) fn model_variable() -> Option<OsString> {
    env::var_os(MODEL_VARIABLE).filter(|value| !value.is_empty())
}

/// What `--precision` asks for; `auto` is nothing.
#[derive(Clone, Copy)]
pub(super) struct PrecisionArg(pub(super) Option<Precision>);

impl PrecisionArg {
    /// The arithmetic that other implementations are compared with.
    pub(super) const F32: Self = Self(Some(Precision::F32));
}

impl FromStr for PrecisionArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self(None));
        }
        text.parse()
            .map(|precision| Self(Some(precision)))
            .map_err(|_| "`f32`, `int8` or `auto` was expected".to_owned())
    }
}

/// Loads the model that the arguments request, else that of [`MODEL_VARIABLE`], else the default, for predictions.
pub(super) fn classifier(asked: Option<&OsStr>, precision: PrecisionArg) -> Result<Model> {
    let model = model(asked, precision)?;
    model.require_classifier()?;
    Ok(model)
}

/// As [`classifier`], for embeddings: with or without heads.
pub(super) fn model(asked: Option<&OsStr>, precision: PrecisionArg) -> Result<Model> {
    let options = LoadOptions::default().with_precision(precision.0);
    let catalogue = Catalogue::installed();
    match (asked, model_variable()) {
        (Some(asked), _) => catalogue.load(asked, options),
        (None, Some(asked)) => catalogue
            .load(asked, options)
            .map_err(|error| Error::usage(format!("the variable {MODEL_VARIABLE} asks for a model: {error}"))),
        (None, None) => catalogue.load(DEFAULT_MODEL, options),
    }
}

/// A number from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().map_err(|_| "a number from 0 to 1 was expected".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("not between 0 and 1".to_owned()) }
}
