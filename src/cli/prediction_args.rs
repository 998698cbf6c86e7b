//! Options of predictions that `infer`, `batch` and `serve` share.

use std::path::PathBuf;

use clap::Args;
use persona_engine::engine::{ActiveHeads, Limits, Options};
use persona_engine::{Error, Result};

use super::input::RawArgs;
use super::model_choice::ModelArgs;

/// Options that `infer` and `batch` have in common.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct PredictionArgs {
    #[command(flatten)]
    pub(super) model: ModelArgs,
    /// Withhold emotion and gender, each on its own, if the probability of the best label is below
    /// P (0 to 1). Age has no probability; it is withheld only if both are.
    #[arg(
        long,
        value_name = "P",
        default_value_t = 0.0,
        hide_default_value = true,
        allow_negative_numbers = true,
        value_parser = probability
    )]
    pub(super) min_confidence: f64,
    /// Give no prediction if the familiarity of a voice or segment is below F (0 to 1): 1 like the
    /// recordings that the model was trained on, 0.5 at twice the distance of the least familiar
    /// ones of those. Needs a model that states its domain.
    #[arg(
        long,
        value_name = "F",
        default_value_t = 0.0,
        hide_default_value = true,
        allow_negative_numbers = true,
        value_parser = probability
    )]
    pub(super) min_familiarity: f64,
    #[command(flatten)]
    pub(super) heads: HeadArgs,
    #[command(flatten)]
    pub(super) raw: RawArgs,
    /// Predict every chunk that is not silent, including those without speech, clipped ones and
    /// noisy ones.
    #[arg(long)]
    no_activity: bool,
    /// Use the readable part of a recording that is truncated or damaged, with a warning.
    #[arg(long)]
    accept_truncated: bool,
    /// Append one line per recording to a log: time, SHA-256 of the input, model, heads, outcome.
    /// Never the audio.
    #[arg(long, value_name = "LOG.jsonl")]
    pub(super) audit: Option<PathBuf>,
    /// Print a notice for the people who are recorded, and exit.
    #[arg(long)]
    pub(super) notice: bool,
    /// No warnings on standard error, only errors.
    #[arg(long, short)]
    pub(super) quiet: bool,
}

/// Outputs that are not wanted or not allowed.
#[derive(Args)]
pub(super) struct HeadArgs {
    /// Disable emotion: it is neither computed nor printed, and has no key in JSON.
    #[arg(long)]
    no_emotion: bool,
    /// Disable gender, likewise.
    #[arg(long)]
    no_gender: bool,
    /// Disable age, likewise.
    #[arg(long)]
    no_age: bool,
}

impl HeadArgs {
    /// The heads that remain.
    pub(super) fn active(&self) -> Result<ActiveHeads> {
        let heads = ActiveHeads { emotion: !self.no_emotion, gender: !self.no_gender, age: !self.no_age };
        if heads.names().next().is_none() {
            return Err(Error::usage(
                "--no-emotion, --no-gender and --no-age leave nothing to predict: drop one of them",
            ));
        }
        Ok(heads)
    }
}

impl PredictionArgs {
    /// The engine's options, with one thread.
    pub(super) fn options(&self) -> Result<Options> {
        Ok(Options {
            heads: self.heads.active()?,
            raw: self.raw.raw.clone(),
            activity: !self.no_activity,
            min_confidence: self.min_confidence,
            min_familiarity: self.min_familiarity,
            limits: Limits { accept_truncated: self.accept_truncated, ..Limits::default() },
            ..Options::default()
        })
    }
}

/// Parses a number from 0 to 1.
fn probability(text: &str) -> Result<f64, &'static str> {
    let value = text.parse().map_err(|_| "expected a number from 0 to 1")?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("not between 0 and 1") }
}
