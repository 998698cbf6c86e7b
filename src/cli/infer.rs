//! `persona-engine infer FILE...`

use std::io::{self, Write};
use std::path::Path;

use persona_engine::engine::{Engine, Failure};

use super::Stop;
use super::args::{InferArgs, is_stdin, system_in};
use super::audit::{self, Audit};
use super::hear::{self, Heard};
use super::table;

/// Answers each file in turn. Returns whether none failed.
pub(super) fn run(args: &InferArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    args.check().map_err(Stop::SetUp)?;
    let options = args.options().map_err(Stop::SetUp)?;
    let system = system_in(args.answer.model.as_deref(), args.answer.precision).map_err(Stop::SetUp)?;
    let engine = Engine::new(system, options).map_err(Stop::SetUp)?;
    let mut audit = args.answer.audit.as_deref().map(Audit::open).transpose().map_err(Stop::SetUp)?;
    let mut all_answered = true;
    for (index, file) in args.files.iter().enumerate() {
        let heard = hear(&engine, file, audit.is_some());
        if let Some(audit) = &mut audit {
            audit.append(&audit::entry(&engine, &file.to_string_lossy(), &heard))?;
        }
        match heard.answer {
            Ok(report) => {
                if !args.answer.quiet {
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
                    write_json(out, &Failure::new(file.to_string_lossy(), &error))?;
                }
            }
        }
    }
    Ok(all_answered)
}

fn hear(engine: &Engine, file: &Path, hashed: bool) -> Heard {
    if is_stdin(file) { hear::stdin(engine, hashed) } else { hear::file(engine, file, hashed) }
}

/// One object, one line, at once: a reader at the other end of a pipe need not wait for the last file.
fn write_json(out: &mut dyn Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)?;
    out.flush()
}
