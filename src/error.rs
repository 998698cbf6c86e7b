//! The crate's error type. Its variants are ordered by what the caller can do: correct the arguments, the input, the model
//! file or the environment, or report a bug.
//!
//! | variants | meaning | what to do |
//! |---|---|---|
//! | [`Error::Usage`] | an option or argument is invalid | correct the arguments |
//! | [`Error::Malformed`], [`Error::Unsupported`], [`Error::TooShort`], [`Error::Limit`] | the input cannot be used | repair, convert or shorten the input |
//! | [`Error::Manifest`], [`Error::Tensor`] | the model file cannot be used | get or make the model file again |
//! | [`Error::Read`], [`Error::Write`] | the operating system refused | check path, permissions and free space |
//! | [`Error::Internal`] | a bug, or a thread that could not be started | report it |

use std::io::{self, ErrorKind};
use std::path::PathBuf;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong between the bytes of a file and a prediction.
///
/// Errors of the audio decoders do not name the file, because they read bytes; [`Error::in_file`] adds the name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option, an argument or a combination of them is invalid. The message names it and its value.
    #[error("{0}")]
    Usage(String),

    /// The bytes violate the format that they claim to be.
    #[error("{format} is malformed: {what}")]
    Malformed {
        /// The format, such as `WAV` or `MP3`.
        format: &'static str,
        /// Field, byte offset, expected and actual value, and the next thing to try.
        what: String,
    },

    /// The input may be valid, but this engine (or this build of it) does not read it.
    #[error("unsupported: {0}")]
    Unsupported(String),

    /// The input contains less audio, or less speech, than the operation needs.
    #[error("{0}")]
    TooShort(String),

    /// A stated limit was exceeded. Shorten the input or raise the limit.
    #[error("over the limit: {what} is {actual}, at most {limit} are allowed")]
    Limit {
        /// The limited quantity, with its unit.
        what: &'static str,
        /// The actual value, or the first one known to be too large.
        actual: u64,
        /// The largest value allowed.
        limit: u64,
    },

    /// A model file's manifest is invalid: not JSON, or a key that is missing, unknown or out of range.
    #[error("model file: {0}")]
    Manifest(String),

    /// A tensor of a model file is not what the manifest states.
    #[error("model file: tensor `{name}`: expected {expected}, found {actual}")]
    Tensor {
        /// The tensor's name.
        name: String,
        /// Its expected shape, type or condition.
        expected: String,
        /// What the file contains.
        actual: String,
    },

    /// The operating system refused to open or read a file or stream.
    #[error("cannot read: {0}")]
    Read(#[from] io::Error),

    /// The operating system refused to create or write an output.
    #[error("cannot write {target}: {source}")]
    Write {
        /// The output as the user named it.
        target: String,
        /// The operating system's error.
        source: io::Error,
    },

    /// A bug in this program, or a resource of the operating system (a thread, a socket) that it could not get.
    #[error("{0}")]
    Internal(String),

    /// Any of the above, in a named file.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file as the user named it.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Error>,
    },
}

/// How programs report an [`Error`]: the reason code of JSON outputs and the HTTP status.
///
/// The exit code of the program does not depend on the kind of error but on what failed: 1 for an
/// input among others, 2 for anything that ends the command (`src/cli/stop.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCodes {
    /// Reason code in JSON: `configuration`, `malformed`, `unsupported`, `too_short`, `over_limit`, `model_file`, `not_found`,
    /// `permission_denied`, `cannot_read`, `cannot_write` or `failed`.
    pub reason: &'static str,
    /// HTTP status of a response that reports it.
    pub http_status: u16,
}

impl Error {
    /// Adds the name of the file in which this error occurred. An error that names a file already is returned unchanged.
    #[must_use]
    pub fn in_file(self, path: impl Into<PathBuf>) -> Self {
        match self {
            Self::InFile { .. } => self,
            source => Self::InFile { path: path.into(), source: Box::new(source) },
        }
    }

    /// Removes the name of the file, for a file that the user never named.
    #[must_use]
    pub fn without_file(self) -> Self {
        match self {
            Self::InFile { source, .. } => *source,
            other => other,
        }
    }

    /// The same error again, for another part of the input that it concerns. (An [`io::Error`] cannot be cloned; the copy
    /// has its kind and its text.)
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let io = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
        match self {
            Self::Usage(what) => Self::Usage(what.clone()),
            Self::Malformed { format, what } => Self::Malformed { format, what: what.clone() },
            Self::Unsupported(what) => Self::Unsupported(what.clone()),
            Self::TooShort(what) => Self::TooShort(what.clone()),
            Self::Limit { what, actual, limit } => Self::Limit { what, actual: *actual, limit: *limit },
            Self::Manifest(what) => Self::Manifest(what.clone()),
            Self::Tensor { name, expected, actual } => {
                Self::Tensor { name: name.clone(), expected: expected.clone(), actual: actual.clone() }
            }
            Self::Read(error) => Self::Read(io(error)),
            Self::Write { target, source } => Self::Write { target: target.clone(), source: io(source) },
            Self::Internal(what) => Self::Internal(what.clone()),
            Self::InFile { path, source } => Self::InFile { path: path.clone(), source: Box::new(source.duplicate()) },
        }
    }

    /// Reason code and HTTP status of this error.
    pub fn codes(&self) -> ErrorCodes {
        let (reason, http_status) = match self {
            Self::Usage(_) => ("configuration", 400),
            Self::Malformed { .. } => ("malformed", 422),
            Self::Unsupported(_) => ("unsupported", 415),
            Self::TooShort(_) => ("too_short", 422),
            Self::Limit { .. } => ("over_limit", 413),
            Self::Manifest(_) | Self::Tensor { .. } => ("model_file", 500),
            Self::Read(error) => match error.kind() {
                ErrorKind::NotFound => ("not_found", 404),
                ErrorKind::PermissionDenied => ("permission_denied", 403),
                _ => ("cannot_read", 400),
            },
            Self::Write { .. } => ("cannot_write", 500),
            Self::Internal(_) => ("failed", 500),
            Self::InFile { source, .. } => return source.codes(),
        };
        ErrorCodes { reason, http_status }
    }

    /// The reason code of [`Error::codes`].
    pub fn reason(&self) -> &'static str {
        self.codes().reason
    }

    /// Shorthand for [`Error::Usage`].
    pub fn usage(what: impl Into<String>) -> Self {
        Self::Usage(what.into())
    }

    /// Shorthand for [`Error::Malformed`].
    pub fn malformed(format: &'static str, what: impl Into<String>) -> Self {
        Self::Malformed { format, what: what.into() }
    }

    /// Shorthand for [`Error::Write`].
    pub fn write(target: impl Into<String>, source: io::Error) -> Self {
        Self::Write { target: target.into(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_named_once() {
        let error = Error::malformed("WAV", "no fmt chunk").in_file("inner.wav").in_file("outer.wav");
        assert_eq!(error.to_string(), "inner.wav: WAV is malformed: no fmt chunk");
        assert_eq!(error.codes(), ErrorCodes { reason: "malformed", http_status: 422 });
    }
}
