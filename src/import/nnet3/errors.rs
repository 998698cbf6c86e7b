//! Errors of nnet3 files, and words of these files inside them.

use crate::error::Error;

/// A word of a hostile file, short and without control characters.
pub(super) fn brief(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

pub(super) fn malformed(what: impl Into<String>) -> Error {
    Error::malformed("Kaldi nnet3", what)
}
