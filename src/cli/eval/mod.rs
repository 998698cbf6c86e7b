//! `persona-engine eval TABLE.csv`, `persona-engine eval --rttm REFERENCE.rttm`

mod arguments;
mod diarization;

use std::io::{self, IsTerminal, Write};

use persona_engine::engine::Engine;
use persona_engine::eval::{self, Evaluation};

pub(super) use self::arguments::EvalArgs;
use super::stop::Stop;

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
