//! Output that several commands write: JSON lines and warnings.

use std::io::{self, Write};

use serde::Serialize;

/// Writes one object as one line and flushes it, so that the next program in a pipe need not wait
/// for the last file.
pub(super) fn write_json_line(out: &mut dyn Write, object: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, object)?;
    writeln!(out)?;
    out.flush()
}

/// Writes the warnings about one input.
pub(super) fn write_warnings(err: &mut dyn Write, file: &str, warnings: &[String]) -> io::Result<()> {
    warnings.iter().try_for_each(|warning| writeln!(err, "persona-engine: {file}: warning: {warning}"))
}
