//! Checks the path of a model file that is to be written.

use std::fs;
use std::path::{Path, PathBuf};

use persona_engine::{Error, Result};

/// Refuses an output that is one of the inputs, or that exists and must not be replaced.
pub(in crate::cli) fn check(inputs: &[PathBuf], output: &Path, force: bool) -> Result<()> {
    let existing = fs::canonicalize(output).ok();
    if existing.is_some() && inputs.iter().any(|input| fs::canonicalize(input).ok() == existing) {
        return Err(Error::usage(format!("{}: the output is an input", output.display())));
    }
    if output.exists() && !force {
        return Err(Error::usage(format!("{}: already exists; --force replaces it", output.display())));
    }
    Ok(())
}
