//! `persona-engine eval TABLE.csv`

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use persona_engine::engine::{Engine, Options};
use persona_engine::eval::{self, Bootstrap, Evaluation, Request, RowFilter, Selection};
use persona_engine::{Error, Result};

use super::Stop;
use super::args::{PrecisionArg, classifier};
use super::output::written;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct EvalArgs {
    /// The labelled clips: CSV with `file` (from the table's folder), any of `emotion`, `gender` or `sex`, `age`, and `speaker` or `actor`.
    #[arg(value_name = "TABLE.csv")]
    table: PathBuf,
    /// Stored log-mel features (uint8 [frames, 128] a clip); the table then names clips in a column `clip`.
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// The rows with this value alone. Again for one column: any of the values; for another: both.
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    filters: Vec<String>,
    /// The first N of these rows alone.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// A word of the table and the label that it means, such as calm=neutral. CREMA-D's codes and the usual words are known.
    #[arg(long = "label", value_name = "WORD=LABEL")]
    labels: Vec<String>,
    /// The system to measure: a name of `model list`, or a file's path [default: $PERSONA_MODEL, else the default system].
    #[arg(long, value_name = "NAME|FILE")]
    model: Option<OsString>,
    /// Numbers of the network's products: int8 takes half the time and moves answers a little. `auto` is what the system's file asks for (`model show`), else f32.
    #[arg(long, value_name = "f32|int8|auto", default_value = "auto", hide_default_value = true)]
    precision: PrecisionArg,
    /// Measure by this column, and no longer by sex, age_band, race, emotion and sentence.
    #[arg(long, value_name = "COLUMN")]
    group_by: Vec<String>,
    /// Draws of the bootstrap behind the 95 % intervals; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    bootstrap: usize,
    /// Seed of the bootstrap.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Threads that answer clips. The output is the same for any number.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// Answer recordings without speech too, and clipped or drowned ones: all that are not silent. Otherwise they are counted and not measured.
    #[arg(long, conflicts_with = "features")]
    no_activity: bool,
    /// Leave out what cannot be used, count it, and end with code 1. Otherwise it is named and nothing is measured.
    #[arg(long)]
    keep_going: bool,
    /// Write the measures as JSON too.
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// Write one page with plots too; it needs nothing beside it.
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
    /// Write the answers too, one row a clip.
    #[arg(long, value_name = "OUT.csv")]
    predictions: Option<PathBuf>,
    /// No warnings and no progress on standard error; errors are still told.
    #[arg(long, short)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  persona-engine eval clips.csv --html report.html
  persona-engine eval clips.csv --model xvector-cnn --features logmel_u8.safetensors --where fold_actor=0

Exit codes: 0 all measured, 1 some of the table was left out (--keep-going), 2 nothing was measured, or an output not written.";

/// Measures, prints, writes what was asked for. Returns whether nothing was left out.
pub(super) fn run(args: &EvalArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    let request = args.request().map_err(Stop::SetUp)?;
    let model = classifier(args.model.as_deref(), args.precision).map_err(Stop::SetUp)?;
    let engine = Engine::new(model, args.options()).map_err(Stop::SetUp)?;
    let shows_progress = !args.quiet && io::stderr().is_terminal();
    let progress = |done: usize, all: usize| {
        if shows_progress && (done.is_multiple_of(10) || done == all) {
            // Progress that cannot be shown is no loss.
            let _ = write!(io::stderr(), "\r{done} of {all} clips{}", if done == all { "\r\x1b[K" } else { "" });
        }
    };
    let evaluation = eval::evaluate(&engine, &request, &progress).map_err(Stop::SetUp)?;
    if !args.quiet {
        tell_warnings(&evaluation, err)?;
    }
    eval::write_text(out, &evaluation.report)?;
    out.flush()?;
    args.write_files(&evaluation, &engine).map_err(Stop::SetUp)?;
    Ok(evaluation.report.complete())
}

fn tell_warnings(evaluation: &Evaluation, err: &mut dyn Write) -> io::Result<()> {
    let report = &evaluation.report;
    report.warnings.iter().try_for_each(|warning| writeln!(err, "persona-engine: warning: {warning}"))?;
    let table = &report.input.table;
    report.problems.list.iter().try_for_each(|problem| writeln!(err, "persona-engine: {table}: {problem}"))
}

impl EvalArgs {
    /// The engine's options: those of `infer`, so that what is measured is what its users get.
    fn options(&self) -> Options {
        Options { activity: !self.no_activity, ..Options::default() }
    }

    fn request(&self) -> Result<Request> {
        let filters = self.filters.iter().map(|text| RowFilter::parse(text)).collect::<Result<_>>()?;
        let aliases = self.labels.iter().map(|text| word(text)).collect::<Result<_>>()?;
        Ok(Request {
            table: self.table.clone(),
            features: self.features.clone(),
            selection: Selection { filters, limit: self.limit.map(|n| n as usize), aliases },
            group_by: self.group_by.clone(),
            bootstrap: Bootstrap { draws: self.bootstrap, seed: self.seed },
            threads: usize::from(self.threads),
            keep_going: self.keep_going,
        })
    }

    fn write_files(&self, evaluation: &Evaluation, engine: &Engine) -> Result<()> {
        if let Some(path) = &self.json {
            written(path, |to| {
                serde_json::to_writer_pretty(&mut *to, &evaluation.report).map_err(io::Error::from)?;
                Ok(to.write_all(b"\n")?)
            })?;
        }
        if let Some(path) = &self.html {
            written(path, |to| Ok(eval::write_html(to, evaluation)?))?;
        }
        if let Some(path) = &self.predictions {
            written(path, |to| eval::write_predictions(to, &evaluation.clips, engine.model().manifest()))?;
        }
        Ok(())
    }
}

fn word(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((word, label)) if !word.trim().is_empty() => Ok((word.to_owned(), label.to_owned())),
        _ => Err(Error::Usage(format!("`{text}`: expected WORD=LABEL, such as calm=neutral"))),
    }
}
