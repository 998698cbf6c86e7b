//! The command line: arguments in, text or JSON out, exit codes that scripts can trust.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | every input was handled (an explicit "no answer" is an answer) |
//! | 1 | some input failed; the others were answered |
//! | 2 | usage or set-up: arguments, the model file, or an output that cannot be written |

mod args;
mod array;
mod audit;
mod batch;
mod check;
mod collect;
mod embed;
mod eval;
mod features;
mod form;
mod generate;
mod hear;
mod import;
mod infer;
mod list;
mod notice;
mod output;
mod quantize;
#[cfg(feature = "serve")]
mod serve;
mod show;
mod table;
mod timeline_args;
mod timeline_table;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;
use persona_engine::engine::ActiveHeads;
use persona_engine::kernels::memory::prefer_large_pages;
use persona_engine::{Error, Result};

use args::{Arguments, Command, InferArgs, ModelCommand};

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
    let arguments = Arguments::parse();
    if !runs_for_long(&arguments) {
        prefer_large_pages();
    }
    let (mut out, mut err) = (io::stdout().lock(), io::stderr());
    let done = match &arguments.command {
        None => tell(ActiveHeads::ALL, &mut out, &mut err),
        Some(command) => run_command(command, &mut out, &mut err),
    };
    ended(done.and_then(|all_answered| out.flush().map(|()| all_answered).map_err(Stop::from)), &mut err)
}

/// Whether memory that is not needed any more should go back to the system.
fn runs_for_long(arguments: &Arguments) -> bool {
    match arguments.command {
        #[cfg(feature = "serve")]
        Some(Command::Serve(_)) => true,
        _ => false,
    }
}

fn run_command(command: &Command, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    match command {
        Command::Infer(InferArgs { answer, .. }) if answer.notice => {
            tell(answer.heads.active().map_err(Stop::SetUp)?, out, err)
        }
        Command::Batch(args) if args.answer.notice => tell(args.answer.heads.active().map_err(Stop::SetUp)?, out, err),
        Command::Infer(args) => infer::run(args, out, err),
        Command::Batch(args) => batch::run(args, out, err),
        Command::Eval(args) => eval::run(args, out, err),
        Command::Embed(args) => embed::run(args, out, err),
        Command::Similarity(args) => embed::run_similarity(args, out),
        Command::Features(args) => features::run(args, out),
        Command::Model(ModelCommand::Check(args)) => check::run(args, out, err),
        Command::Model(ModelCommand::Import(args)) => import::run(args, err),
        Command::Model(ModelCommand::Quantize(args)) => quantize::run(args, err),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(args, err),
        Command::Model(ModelCommand::List(args)) => list::run(args, out, err),
        Command::Model(ModelCommand::Show(args)) => show::run(args, out),
        Command::Completions(args) => generate::completions(args, out),
        Command::Man(args) => generate::man(args, out),
    }
}

/// The text for the people concerned on `out`, a word to the operator on `err`.
fn tell(heads: ActiveHeads, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    notice::write(out, heads)?;
    writeln!(err, "{}", notice::TO_THE_OPERATOR)?;
    Ok(true)
}

/// The exit code, and the reason if nothing came of it.
fn ended(done: Result<bool, Stop>, err: &mut dyn Write) -> ExitCode {
    match done {
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
