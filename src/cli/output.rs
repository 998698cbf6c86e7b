//! Files that a command writes beside what it prints.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use persona_engine::{Error, Result};

/// Writes a file whole, or says which could not be written.
pub(super) fn written(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let all = || {
        let mut to = BufWriter::new(File::create(path)?);
        write(&mut to)?;
        Ok(to.flush()?)
    };
    all().map_err(|error: Error| Error::Config(format!("{}: not written: {error}", path.display())))
}
