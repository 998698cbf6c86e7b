//! `persona-engine eval TABLE.csv`, `persona-engine eval --rttm REFERENCE.rttm`

mod diarization;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use persona_engine::engine::{Engine, Options};
use persona_engine::eval::{self, Bootstrap, Evaluation, Request, RowFilter, Selection};
use persona_engine::import::write_atomically;
use persona_engine::{Error, Result};
use serde::Serialize;

use self::diarization::DiarizationArgs;
use super::model_choice::ModelArgs;
use super::stop::Stop;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct EvalArgs {
    /// Labelled clips: CSV with `file` (relative to the table's folder), any of `emotion`, `gender`
    /// or `sex`, `age`, and `speaker` or `actor`. With `start` and `end` a clip is that segment of
    /// the file. Or a label track of Audacity (*.txt) whose labels are emotions, or Kaldi's
    /// segments or wav.scp beside its utt2… and spk2… maps. With --rttm: the recordings to process,
    /// named as in the reference.
    #[arg(value_name = "TABLE.csv", required_unless_present = "rttm")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    diarization: DiarizationArgs,
    /// Use precomputed log-mel features (uint8 [frames, 128] per clip); the table then names clips
    /// in a column `clip`.
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// Use only rows with this value. Repeated for one column: any of the values; for several
    /// columns: all of them.
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    filters: Vec<String>,
    /// Use only the first N of these rows.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Evaluate the whole file of each row, whatever start and end the table states.
    #[arg(long)]
    whole_files: bool,
    /// Map a word of the table to a label, such as calm=neutral. CREMA-D's codes and common
    /// synonyms are built in.
    #[arg(long = "label", value_name = "WORD=LABEL")]
    labels: Vec<String>,
    #[command(flatten)]
    model: ModelArgs,
    /// Report groups by this column instead of sex, age_band, race, emotion and sentence. May be
    /// repeated.
    #[arg(long, value_name = "COLUMN")]
    group_by: Vec<String>,
    /// Bootstrap resamples for the 95 % intervals; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    bootstrap: usize,
    /// Seed of the bootstrap.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Threads that process clips. The output is the same for any number.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// Predict every recording that is not silent, including those without speech, clipped ones and
    /// noisy ones. By default these are counted but not evaluated.
    #[arg(long, conflicts_with = "features")]
    no_activity: bool,
    /// Skip and count unusable rows, and exit with code 1. By default the first one is an error and
    /// nothing is evaluated.
    #[arg(long)]
    keep_going: bool,
    /// Also write the metrics as JSON.
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// Also write a self-contained page with plots.
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
    /// Also write the predictions, one row per clip.
    #[arg(long, value_name = "OUT.csv")]
    predictions: Option<PathBuf>,
    /// No warnings and no progress on standard error, only errors.
    #[arg(long, short)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  persona-engine eval clips.csv --html report.html
  persona-engine eval clips.csv --model xvector-cnn --features logmel_u8.safetensors --where fold_actor=0
  persona-engine eval *.flac --rttm reference.rttm --uem reference.uem
  persona-engine eval --rttm reference.rttm --hyp found.rttm

Exit codes: 0 all rows evaluated, 1 some rows skipped (--keep-going), 2 nothing evaluated, or an output could not be written.";

/// Evaluates, prints the metrics, writes the requested files. Returns whether no row was skipped.
pub(super) fn run(args: &EvalArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    if let Some(reference) = &args.diarization.rttm {
        return diarization::run(reference, args, out, err);
    }
    let request = args.request()?;
    let engine = Engine::new(args.model.open_with_heads()?, args.options())?;
    let shows_progress = !args.quiet && io::stderr().is_terminal();
    let progress = |done: usize, all: usize| {
        if shows_progress && (done.is_multiple_of(10) || done == all) {
            // Failing to show progress must not fail the evaluation.
            let _ = write!(io::stderr(), "\r{done} of {all} clips{}", if done == all { "\r\x1b[K" } else { "" });
        }
    };
    let evaluation = eval::evaluate(&engine, &request, &progress)?;
    if !args.quiet {
        write_warnings(&evaluation, err)?;
    }
    eval::write_text(out, &evaluation.report)?;
    out.flush()?;
    args.write_files(&evaluation, &engine)?;
    Ok(evaluation.report.complete())
}

fn write_warnings(evaluation: &Evaluation, err: &mut dyn Write) -> io::Result<()> {
    let report = &evaluation.report;
    report.warnings.iter().try_for_each(|warning| writeln!(err, "persona-engine: warning: {warning}"))?;
    let table = &report.input.table;
    report.problems.list.iter().try_for_each(|problem| writeln!(err, "persona-engine: {table}: {problem}"))
}

impl EvalArgs {
    /// The engine's options: those of `infer`, so that the evaluation measures what users get.
    fn options(&self) -> Options {
        Options { activity: !self.no_activity, ..Options::default() }
    }

    fn request(&self) -> Result<Request> {
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

    fn write_json(&self, report: &impl Serialize) -> Result<()> {
        let Some(path) = &self.json else { return Ok(()) };
        write_atomically(path, |to| {
            serde_json::to_writer_pretty(&mut *to, report).map_err(io::Error::from)?;
            Ok(to.write_all(b"\n")?)
        })
    }

    fn write_files(&self, evaluation: &Evaluation, engine: &Engine) -> Result<()> {
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
