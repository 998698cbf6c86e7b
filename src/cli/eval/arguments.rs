//! Options of `persona-engine eval`.

use std::io;
use std::path::PathBuf;

use clap::Args;
use persona_engine::engine::{Engine, Options, Speakers};
use persona_engine::eval::{self, Bootstrap, Evaluation, Request, RowFilter, Selection};
use persona_engine::import::write_atomically;
use persona_engine::{Error, Result};
use serde::Serialize;

use crate::cli::model_choice::ModelArgs;
use crate::cli::speaker_count::speakers;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(in crate::cli) struct EvalArgs {
    /// Labelled clips: CSV with `file` (relative to the table's folder), any of `emotion`, `gender`
    /// or `sex`, `age`, and `speaker` or `actor`. With `start` and `end` a clip is that segment of
    /// the file. Or a label track of Audacity (*.txt) whose labels are emotions, or Kaldi's
    /// segments or wav.scp beside its utt2… and spk2… maps. With --rttm: the recordings to process,
    /// named as in the reference.
    #[arg(value_name = "TABLE.csv", required_unless_present = "rttm")]
    pub(super) inputs: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) diarization: DiarizationArgs,
    /// Use precomputed log-mel features (uint8 [frames, 128] per clip); the table then names clips
    /// in a column `clip`.
    #[arg(long, value_name = "FILE")]
    pub(super) features: Option<PathBuf>,
    /// Use only rows with this value. Repeated for one column: any of the values; for several
    /// columns: all of them.
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    pub(super) filters: Vec<String>,
    /// Use only the first N of these rows.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: Option<u32>,
    /// Evaluate the whole file of each row, whatever start and end the table states.
    #[arg(long)]
    pub(super) whole_files: bool,
    /// Map a word of the table to a label, such as calm=neutral. CREMA-D's codes and common
    /// synonyms are built in.
    #[arg(long = "label", value_name = "WORD=LABEL")]
    pub(super) labels: Vec<String>,
    #[command(flatten)]
    pub(super) model: ModelArgs,
    /// Report groups by this column instead of sex, age_band, race, emotion and sentence. May be
    /// repeated.
    #[arg(long, value_name = "COLUMN")]
    pub(super) group_by: Vec<String>,
    /// Bootstrap resamples for the 95 % intervals; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(super) bootstrap: usize,
    /// Seed of the bootstrap.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
    /// Threads that process clips. The output is the same for any number.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: u16,
    /// Predict every recording that is not silent, including those without speech, clipped ones and
    /// noisy ones. By default these are counted but not evaluated.
    #[arg(long, conflicts_with = "features")]
    pub(super) no_activity: bool,
    /// Skip and count unusable rows, and exit with code 1. By default the first one is an error and
    /// nothing is evaluated.
    #[arg(long)]
    pub(super) keep_going: bool,
    /// Also write the metrics as JSON.
    #[arg(long, value_name = "OUT")]
    pub(super) json: Option<PathBuf>,
    /// Also write a self-contained page with plots.
    #[arg(long, value_name = "OUT")]
    pub(super) html: Option<PathBuf>,
    /// Also write the predictions, one row per clip.
    #[arg(long, value_name = "OUT.csv")]
    pub(super) predictions: Option<PathBuf>,
    /// No warnings and no progress on standard error, only errors.
    #[arg(long, short)]
    pub(super) quiet: bool,
}

/// Options of `eval` that have no effect on a diarization.
const TABLE_OPTIONS: [&str; 12] = [
    "features",
    "filters",
    "limit",
    "whole_files",
    "labels",
    "group_by",
    "bootstrap",
    "seed",
    "no_activity",
    "keep_going",
    "html",
    "predictions",
];

/// The files of an evaluation of who speaks when.
#[derive(Args)]
pub(super) struct DiarizationArgs {
    /// Evaluate who speaks when against this reference: diarization error rate (with its parts, and
    /// with a collar of 0.25 s), Jaccard error rate, number of speakers.
    #[arg(long, value_name = "REFERENCE.rttm", conflicts_with_all = TABLE_OPTIONS)]
    pub(super) rttm: Option<PathBuf>,
    /// Score the time that this file names; the default is all of it.
    #[arg(long, value_name = "FILE.uem", requires = "rttm")]
    pub(super) uem: Option<PathBuf>,
    /// Evaluate this file instead of processing recordings.
    #[arg(long, value_name = "FOUND.rttm", requires = "rttm")]
    #[arg(conflicts_with_all = ["inputs", "model", "precision", "threads", "speakers"])]
    pub(super) hyp: Option<PathBuf>,
    /// Number of speakers of each recording, a number (2) or a range (2..4); the default is to count
    /// them.
    #[arg(long, value_name = "N", requires = "rttm", value_parser = speakers)]
    pub(super) speakers: Option<Speakers>,
}

const EXAMPLES: &str = "\
Examples:
  persona-engine eval clips.csv --html report.html
  persona-engine eval clips.csv --model xvector-cnn --features logmel_u8.safetensors --where fold_actor=0
  persona-engine eval *.flac --rttm reference.rttm --uem reference.uem
  persona-engine eval --rttm reference.rttm --hyp found.rttm

Exit codes: 0 all rows evaluated, 1 some rows skipped (--keep-going), 2 nothing evaluated, or an output could not be written.";

impl EvalArgs {
    /// The engine's options: those of `infer`, so that the evaluation measures what users get.
    pub(super) fn options(&self) -> Options {
        Options { activity: !self.no_activity, ..Options::default() }
    }

    pub(super) fn request(&self) -> Result<Request> {
        let filters = self.filters.iter().map(|text| RowFilter::parse(text)).collect::<Result<_>>()?;
        let aliases = self.labels.iter().map(|text| word(text)).collect::<Result<_>>()?;
        let [table] = &self.inputs[..] else {
            let count = self.inputs.len();
            return Err(Error::usage(format!("{count} tables: give one, or --rttm with the reference of recordings")));
        };
        Ok(Request {
            table: table.clone(),
            features: self.features.clone(),
            selection: Selection {
                filters,
                limit: self.limit.map(|n| n as usize),
                aliases,
                whole_files: self.whole_files,
            },
            group_by: self.group_by.clone(),
            bootstrap: Bootstrap { draws: self.bootstrap, seed: self.seed },
            threads: usize::from(self.threads),
            keep_going: self.keep_going,
        })
    }

    pub(super) fn write_json(&self, report: &impl Serialize) -> Result<()> {
        let Some(path) = &self.json else { return Ok(()) };
        write_atomically(path, |to| {
            serde_json::to_writer_pretty(&mut *to, report).map_err(io::Error::from)?;
            Ok(to.write_all(b"\n")?)
        })
    }

    pub(super) fn write_files(&self, evaluation: &Evaluation, engine: &Engine) -> Result<()> {
        self.write_json(&evaluation.report)?;
        if let Some(path) = &self.html {
            write_atomically(path, |to| Ok(eval::write_html(to, evaluation)?))?;
        }
        if let Some(path) = &self.predictions {
            write_atomically(path, |to| eval::write_predictions(to, &evaluation.clips, engine.model().manifest()))?;
        }
        Ok(())
    }
}

/// Splits `WORD=LABEL`.
fn word(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((word, label)) if !word.trim().is_empty() => Ok((word.to_owned(), label.to_owned())),
        _ => Err(Error::usage(format!("`{text}`: expected WORD=LABEL, such as calm=neutral"))),
    }
}
