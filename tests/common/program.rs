//! Runs the program and captures its output.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{self, Command, Stdio};

/// Exit code and output of the program.
pub(crate) struct ProgramOutput {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<process::Output> for ProgramOutput {
    fn from(output: process::Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Runs the program.
pub(crate) fn run(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> ProgramOutput {
    program(arguments).output().unwrap().into()
}

/// Runs the program with environment variables.
pub(crate) fn run_with<S: AsRef<OsStr>>(
    variables: &[(&str, &dyn AsRef<OsStr>)],
    arguments: impl IntoIterator<Item = S>,
) -> ProgramOutput {
    let mut command = program(arguments);
    for (name, value) in variables {
        command.env(name, value);
    }
    command.output().unwrap().into()
}

/// Runs the program with bytes on its standard input.
pub(crate) fn run_with_input(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>, input: &[u8]) -> ProgramOutput {
    let mut child = program(arguments).stdin(Stdio::piped()).spawn().unwrap();
    // A program that refuses its input early closes the pipe, which must not fail the test.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap().into()
}

/// The program, without installed models.
fn program(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_persona-engine"));
    command.env_remove("PERSONA_MODEL").env_remove("PERSONA_MODELS").env("XDG_DATA_HOME", "/nowhere");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
