//! Errors of checkpoints.

use crate::error::Error;

pub(super) fn malformed(what: impl Into<String>) -> Error {
    Error::malformed("torch checkpoint", what)
}
