//! The command line program: parses the arguments, runs one command, returns an exit code.
//!
//! | files | concept |
//! |---|---|
//! | `arguments` | the tree of commands; each command's arguments stand beside the command |
//! | `infer`, `batch`, `embed`, `eval`, `features`, `serve`, `adapt`, `model` | the commands |
//! | `generate`, `notice` | completions and manual pages; the notice for data subjects |
//! | `prediction_args`, `model_choice`, `speaker_count`, `input`, `help` | arguments that several commands share |
//! | `hashing`, `audit` | checksums of inputs, and the audit log |
//! | `array`, `numbers`, `output` | what commands write |
//! | `stop` | errors that end a command, and exit codes |
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | every input was processed (an explicit "no prediction" counts as a result) |
//! | 1 | some input failed; the others have results |
//! | 2 | wrong usage or set-up: arguments, the model file, or an output that cannot be written |

mod adapt;
mod arguments;
mod array;
mod audit;
mod batch;
mod embed;
mod eval;
mod features;
mod generate;
mod hashing;
mod help;
mod infer;
mod input;
mod model;
mod model_choice;
mod notice;
mod numbers;
mod output;
mod prediction_args;
#[cfg(feature = "serve")]
mod serve;
mod speaker_count;
mod stop;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use persona_engine::engine::ActiveHeads;
use persona_engine::prefer_large_pages;

use arguments::{Arguments, Command};
use stop::Stop;

/// Parses the arguments and runs the command.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    if !runs_for_long(&arguments) {
        prefer_large_pages();
    }
    let (mut out, mut err) = (io::stdout().lock(), io::stderr());
    let result = match &arguments.command {
        None => print_notice(ActiveHeads::ALL, &mut out, &mut err),
        Some(command) => run_command(command, &mut out, &mut err),
    };
    let result = result.and_then(|all_succeeded| {
        out.flush()?;
        Ok(all_succeeded)
    });
    stop::exit_code(result, &mut err)
}

/// Whether unused memory should be returned to the system.
fn runs_for_long(arguments: &Arguments) -> bool {
    match arguments.command {
        #[cfg(feature = "serve")]
        Some(Command::Serve(_)) => true,
        _ => false,
    }
}

/// Runs a command. Returns whether all its inputs succeeded.
fn run_command(command: &Command, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    match command {
        Command::Infer(args) if args.prediction.notice => print_notice(args.prediction.heads.active()?, out, err),
        Command::Batch(args) if args.prediction.notice => print_notice(args.prediction.heads.active()?, out, err),
        Command::Infer(args) => infer::run(args, out, err),
        Command::Batch(args) => batch::run(args, out, err),
        Command::Eval(args) => eval::run(args, out, err),
        Command::Embed(args) => embed::run(args, out, err),
        Command::Similarity(args) => embed::run_similarity(args, out),
        Command::Features(args) => features::run(args, out),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(args, err),
        Command::Adapt(args) => {
            adapt::run(args, out, err)?;
            Ok(true)
        }
        Command::Model(command) => model::run(command, out, err),
        Command::Completions(args) => generate::completions(args, Arguments::command(), out),
        Command::Man(args) => generate::man(args, Arguments::command(), out),
    }
}

/// The notice on `out`, legal advice to the operator on `err`.
fn print_notice(heads: ActiveHeads, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    notice::write(out, heads)?;
    writeln!(err, "{}", notice::OPERATOR_ADVICE)?;
    Ok(true)
}
