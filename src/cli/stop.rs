//! Why a command ends early, and the exit code that follows.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use persona_engine::Error;

/// Reason for ending a command early.
///
/// `?` converts both kinds of error. They are kept apart because [`Error`] takes an [`io::Error`]
/// for a failed read, whereas the only plain [`io::Error`] that a command meets is a failed write
/// to standard output or standard error.
#[derive(Debug)]
pub(super) enum Stop {
    /// The arguments, the model file or another file that the whole command depends on.
    Failed(Error),
    /// Standard output or standard error cannot be written.
    Output(io::Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The exit code of a command, after printing its error to `err`: 0 if all inputs succeeded
/// (`Ok(true)`), 1 if one failed, 2 if the command itself did. A reader that closes the pipe early,
/// such as `head`, is no error.
pub(super) fn exit_code(result: Result<bool, Stop>, err: &mut dyn Write) -> ExitCode {
    let message = match result {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => return ExitCode::from(1),
        Err(Stop::Output(error)) if error.kind() == ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Err(Stop::Output(error)) => format!("cannot write the results: {error}"),
        Err(Stop::Failed(error)) => error.to_string(),
    };
    // If standard error fails too, there is nowhere left to report it.
    let _ = writeln!(err, "persona-engine: {message}");
    ExitCode::from(2)
}
