//! Errors of nnet3 files, and excerpts of the files for them.

use crate::error::Error;

/// An excerpt of a hostile file for an error message: short, and without control characters.
pub(super) fn brief(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

pub(super) fn malformed(what: impl Into<String>) -> Error {
    Error::malformed("Kaldi nnet3", what)
}
