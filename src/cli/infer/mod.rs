//! `persona-engine infer FILE...`
//!
//! | file | concept |
//! |---|---|
//! | `args`, `timeline_args` | the arguments |
//! | `baseline` | the speaker's baseline, from other recordings |
//! | `format` | how reports are printed: table, JSON, JSON lines, CSV |
//! | `table`, `timeline_table`, `turns_table` | the table |
//! | `observers` | what is kept of a recording for timelines, TextGrid files and pages |

mod args;
mod baseline;
mod format;
mod observers;
mod table;
mod timeline_args;
mod timeline_table;
mod turns_table;

use std::io::Write;
use std::path::Path;

use persona_engine::Result;
use persona_engine::engine::{Engine, NoControl, Observer, Report};

pub(super) use args::InferArgs;
use baseline::Baselines;
use format::Format;
use observers::Observers;

use super::audit::{self, Audit};
use super::hashing;
use super::input::is_stdin;
use super::output::write_warnings;
use super::stop::Stop;

/// Predicts each file in turn. Returns whether none failed.
pub(super) fn run(args: &InferArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    args.check()?;
    let options = args.options()?;
    let engine = Engine::new(args.prediction.model.open_with_heads()?, options)?;
    let mut audit = args.prediction.audit.as_deref().map(Audit::open).transpose()?;
    let baselines = Baselines::new(args, &engine)?;
    let mut format = Format::new(args, &engine, out)?;
    let mut all_succeeded = true;
    for (index, file) in args.files.iter().enumerate() {
        let engine = baselines.engine(&engine, index)?;
        format.begin(file);
        let mut observers = Observers::new(args, &mut format);
        let (result, sha256) = infer(&engine, file, audit.is_some(), &mut observers);
        if let Some(audit) = &mut audit {
            audit.append(&audit::entry(&engine, &file.to_string_lossy(), sha256.as_deref(), &result))?;
        }
        match result {
            Ok(mut report) => {
                if !args.prediction.quiet {
                    write_warnings(err, &report.recording.file, &report.warnings)?;
                }
                observers.write_files(args, file, &report)?;
                observers.add_timelines(&mut report);
                let runs = observers.runs;
                format.end(&report, runs.as_ref(), engine.model().manifest())?;
            }
            Err(error) => {
                format.check()?;
                all_succeeded = false;
                writeln!(err, "persona-engine: {error}")?;
                format.fail(file, &error)?;
            }
        }
    }
    Ok(all_succeeded)
}

/// The report of one file, and its SHA-256 if `hash` asks for it.
fn infer(engine: &Engine, file: &Path, hash: bool, observer: &mut dyn Observer) -> (Result<Report>, Option<String>) {
    let opened = if is_stdin(file) { Ok(hashing::open_stdin(hash)) } else { hashing::open_file(file, hash) };
    match opened {
        Ok((recording, checksum)) => {
            let result = engine.infer_observed(recording, &mut NoControl, observer);
            (result, checksum.finish())
        }
        Err(error) => (Err(error), None),
    }
}
