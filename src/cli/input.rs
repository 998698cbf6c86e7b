//! Input rules that several commands share: standard input, and audio without a header.

use std::path::Path;

use clap::Args;
use persona_engine::engine::RawFormat;
use persona_engine::{Error, Result};

/// The format of audio without a header.
#[derive(Args)]
pub(super) struct RawArgs {
    /// Read headerless PCM: ENCODING is s16le, s16be, s24le, s32le, f32le, u8, mulaw or alaw, RATE
    /// is in Hz.
    #[arg(long, value_name = "ENCODING:RATE:CHANNELS")]
    pub(super) raw: Option<RawFormat>,
}

/// Whether a name stands for standard input.
pub(super) fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Refuses standard input that is named twice.
pub(super) fn check_stdin_once(files: &[impl AsRef<Path>]) -> Result<()> {
    if files.iter().filter(|file| is_stdin(file.as_ref())).count() > 1 {
        return Err(Error::usage("`-` (standard input) is named twice; it can be read only once"));
    }
    Ok(())
}
