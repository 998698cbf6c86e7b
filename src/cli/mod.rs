//! The command line: arguments in, text or JSON out, exit codes that scripts can trust.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | every input was handled (an explicit "no answer" is an answer) |
//! | 1 | some input failed; the others were answered |
//! | 2 | usage or set-up: arguments, the model file, or an output that cannot be written |

mod args;
mod array;
mod check;
mod collect;
mod embed;
mod eval;
mod features;
mod form;
mod import;
mod infer;
mod list;
#[cfg(feature = "serve")]
mod serve;
mod show;
mod table;
mod timeline_args;
mod timeline_table;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;
use persona_engine::Error;

use args::{Arguments, Command, ModelCommand};

/// Why a command ended before its inputs did.
enum Stop {
    /// The model file or an option: nothing could be answered.
    SetUp(Error),
    /// Results could not be written.
    Output(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Parses the arguments and runs the command.
pub(crate) fn run() -> ExitCode {
    let command = Arguments::parse().command;
    let (mut out, mut err) = (io::stdout().lock(), io::stderr());
    let done = match &command {
        Command::Infer(args) => infer::run(args, &mut out, &mut err),
        Command::Eval(args) => eval::run(args, &mut out, &mut err),
        Command::Embed(args) => embed::run(args, &mut out, &mut err),
        Command::Similarity(args) => embed::run_similarity(args, &mut out),
        Command::Features(args) => features::run(args, &mut out),
        Command::Model(ModelCommand::Check(args)) => check::run(args, &mut out, &mut err),
        Command::Model(ModelCommand::Import(args)) => import::run(args, &mut err),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(args, &mut err),
        Command::Model(ModelCommand::List(args)) => list::run(args, &mut out, &mut err),
        Command::Model(ModelCommand::Show(args)) => show::run(args, &mut out),
    };
    match done.and_then(|all_answered| out.flush().map(|()| all_answered).map_err(Stop::from)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(Stop::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(stop) => {
            let reason = match stop {
                Stop::SetUp(error) => error.to_string(),
                Stop::Output(error) => format!("cannot write the results: {error}"),
            };
            // Nobody is left to be told if this fails too.
            let _ = writeln!(err, "persona-engine: {reason}");
            ExitCode::from(2)
        }
    }
}
