//! `persona-engine completions SHELL` and `persona-engine man`: made from the definitions that parse the arguments, so they cannot disagree.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use persona_engine::{Error, Result};

use super::Stop;
use super::args::Arguments;

#[derive(Args)]
#[command(after_help = INSTALL)]
pub(super) struct CompletionsArgs {
    /// The shell that completes.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

const INSTALL: &str = "\
Install:
  bash         persona-engine completions bash > ~/.local/share/bash-completion/completions/persona-engine
  zsh          persona-engine completions zsh > ~/.zfunc/_persona-engine       (with fpath+=~/.zfunc before compinit)
  fish         persona-engine completions fish > ~/.config/fish/completions/persona-engine.fish
  powershell   persona-engine completions powershell >> $PROFILE";

#[derive(Args)]
#[command(after_help = READ)]
pub(super) struct ManArgs {
    /// The page of this command, such as `infer` or `model list` [default: the program's].
    #[arg(value_name = "COMMAND", conflicts_with = "output")]
    command: Vec<String>,
    /// Write the pages of all commands into this folder.
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

const READ: &str = "\
Examples:
  persona-engine man | man -l -
  persona-engine man batch | man -l -
  persona-engine man --output ~/.local/share/man/man1";

/// The whole command line, with the commands' full names.
fn command() -> Command {
    let mut command = Arguments::command();
    command.build();
    command
}

/// Prints a shell's completions.
pub(super) fn completions(args: &CompletionsArgs, out: &mut dyn Write) -> Result<bool, Stop> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "persona-engine", &mut script);
    out.write_all(&script)?;
    Ok(true)
}

/// Prints a page, or writes them all.
pub(super) fn man(args: &ManArgs, out: &mut dyn Write) -> Result<bool, Stop> {
    if let Some(folder) = &args.output {
        let refused = |error: io::Error| Error::Config(format!("{}: not written: {error}", folder.display()));
        std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(Arguments::command(), folder))
            .map_err(|error| Stop::SetUp(refused(error)))?;
        return Ok(true);
    }
    let all = command();
    let page = args.command.iter().try_fold(&all, |command, name| {
        let unknown = || Error::Config(format!("there is no command `{name}`; {}", names(command)));
        command.find_subcommand(name).ok_or_else(unknown)
    });
    clap_mangen::Man::new(page.map_err(Stop::SetUp)?.clone()).render(&mut *out)?;
    Ok(true)
}

fn names(command: &Command) -> String {
    let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    if names.is_empty() { "it has none".to_owned() } else { format!("there are {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Arguments::command().debug_assert();
    }
}
