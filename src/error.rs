//! The one error type: what was wrong, where, and whether to mend the input, the installation or the arguments.

use std::io::ErrorKind;
use std::path::PathBuf;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong between a file's bytes and an answer.
///
/// Audio errors do not name the file: the reader of bytes does not know it. [`Error::in_file`] adds it on the way up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to open or read something. Mend the path or the permissions.
    #[error("cannot read: {0}")]
    Io(#[from] std::io::Error),

    /// The bytes break the format that they claim to be. Mend the input.
    #[error("{format} is malformed: {what}")]
    Malformed {
        /// The format, such as `WAV` or `MP3`.
        format: &'static str,
        /// Field, byte offset, what was expected and what came, and the next thing to try.
        what: String,
    },

    /// The bytes may be sound, but this engine (or this build of it) does not read them. Convert the input.
    #[error("unsupported: {0}")]
    Unsupported(String),

    /// A stated limit was passed. Shorten the input or raise the limit.
    #[error("over the limit: {what} is {actual}, at most {limit} are allowed")]
    Limit {
        /// What is limited, with its unit.
        what: &'static str,
        /// The value that came, or the first one known to be too large.
        actual: u64,
        /// The largest value allowed.
        limit: u64,
    },

    /// A tensor of the model file is not what its manifest says. Mend the installation.
    #[error("model file: tensor `{name}`: expected {expected}, found {actual}")]
    Weights {
        /// The tensor's name.
        name: String,
        /// Its expected shape, type or condition.
        expected: String,
        /// What the file holds.
        actual: String,
    },

    /// A manifest, an option or an argument makes no sense. Mend the arguments or the manifest.
    #[error("{0}")]
    Config(String),

    /// Any of the above, in a named file.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file as the user named it.
        path: PathBuf,
        /// What was wrong with it.
        source: Box<Error>,
    },
}

impl Error {
    /// Names the file in which this error arose. An error that names one already is returned unchanged.
    #[must_use]
    pub fn in_file(self, path: impl Into<PathBuf>) -> Self {
        match self {
            Self::InFile { .. } => self,
            source => Self::InFile { path: path.into(), source: Box::new(source) },
        }
    }

    /// What was wrong, without the file's name: for a file that the user never named.
    #[must_use]
    pub fn without_file(self) -> Self {
        match self {
            Self::InFile { source, .. } => *source,
            other => other,
        }
    }

    /// One word for the kind of error, for programs that count: `not_found`, `permission_denied`, `cannot_read`, `malformed`, `unsupported`,
    /// `over_limit`, `model_file` or `configuration`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Io(error) => match error.kind() {
                ErrorKind::NotFound => "not_found",
                ErrorKind::PermissionDenied => "permission_denied",
                _ => "cannot_read",
            },
            Self::Malformed { .. } => "malformed",
            Self::Unsupported(_) => "unsupported",
            Self::Limit { .. } => "over_limit",
            Self::Weights { .. } => "model_file",
            Self::Config(_) => "configuration",
            Self::InFile { source, .. } => source.reason(),
        }
    }

    /// Shorthand for [`Error::Malformed`].
    pub fn malformed(format: &'static str, what: impl Into<String>) -> Self {
        Self::Malformed { format, what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_named_once() {
        let error = Error::malformed("WAV", "no fmt chunk").in_file("inner.wav").in_file("outer.wav");
        assert_eq!(error.to_string(), "inner.wav: WAV is malformed: no fmt chunk");
        assert_eq!(error.reason(), "malformed");
    }
}
