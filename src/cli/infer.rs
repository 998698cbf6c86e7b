//! `persona-engine infer FILE...`

use std::io::{self, Write};
use std::path::Path;

use persona_engine::Result;
use persona_engine::engine::{Engine, Failure, Report, SCHEMA};

use super::Stop;
use super::args::{InferArgs, is_stdin, system_in};
use super::table;

/// Answers each file in turn. Returns whether none failed.
pub(super) fn run(args: &InferArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    args.check().map_err(Stop::SetUp)?;
    let options = args.options().map_err(Stop::SetUp)?;
    let system = system_in(args.model.as_deref(), args.precision).map_err(Stop::SetUp)?;
    let engine = Engine::new(system, options).map_err(Stop::SetUp)?;
    let mut all_answered = true;
    for (index, file) in args.files.iter().enumerate() {
        match answer(&engine, file) {
            Ok(report) => {
                if !args.quiet {
                    for warning in &report.warnings {
                        writeln!(err, "persona-engine: {}: warning: {warning}", report.file)?;
                    }
                }
                if args.json {
                    write_json(out, &report)?;
                } else {
                    if index > 0 {
                        writeln!(out)?;
                    }
                    table::write(out, &report, engine.system().manifest())?;
                }
            }
            Err(error) => {
                all_answered = false;
                writeln!(err, "persona-engine: {error}")?;
                if args.json {
                    let file = file.to_string_lossy().into_owned();
                    write_json(out, &Failure { schema: SCHEMA, file, error: error.to_string() })?;
                }
            }
        }
    }
    Ok(all_answered)
}

fn answer(engine: &Engine, file: &Path) -> Result<Report> {
    if is_stdin(file) { engine.infer_reader(io::stdin(), "-") } else { engine.infer_file(file) }
}

/// One object, one line, at once: a reader at the other end of a pipe need not wait for the last file.
fn write_json(out: &mut dyn Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)?;
    out.flush()
}
