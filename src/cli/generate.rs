//! `persona-engine completions SHELL` and `persona-engine man`: made from the definitions that parse the arguments, so they cannot disagree.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
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
    // For bash, clap_complete 4.6.11 names a command `persona__engine__subcmd__batch` where it is found and `persona__subcmd__engine__subcmd__batch`
    // where its options are listed, because of the hyphen in the program's name: no option of a command would be completed.
    let script = String::from_utf8_lossy(&script).replace("persona__subcmd__engine", "persona__engine");
    out.write_all(script.as_bytes())?;
    Ok(true)
}

/// Prints a page, or writes them all.
pub(super) fn man(args: &ManArgs, out: &mut dyn Write) -> Result<bool, Stop> {
    let all = command();
    if let Some(folder) = &args.output {
        let refused = |error: io::Error| Error::Config(format!("{}: not written: {error}", folder.display()));
        fs::create_dir_all(folder)
            .and_then(|()| write_pages(&all, folder))
            .map_err(|error| Stop::SetUp(refused(error)))?;
        return Ok(true);
    }
    let page = args.command.iter().try_fold(&all, |command, name| {
        let unknown = || Error::Config(format!("there is no command `{name}`; {}", names(command)));
        command.find_subcommand(name).ok_or_else(unknown)
    });
    write_page(page.map_err(Stop::SetUp)?, out)?;
    Ok(true)
}

/// The pages of a command and of all below it.
fn write_pages(command: &Command, folder: &Path) -> io::Result<()> {
    let mut page = Vec::new();
    write_page(command, &mut page)?;
    fs::write(folder.join(Man::new(command.clone()).get_filename()), page)?;
    command
        .get_subcommands()
        .filter(|below| below.get_name() != "help")
        .try_for_each(|below| write_pages(below, folder))
}

/// One page, in roff. The generator leaves out what stands before the help: the examples.
fn write_page(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    Man::new(command.clone()).render(out)?;
    let Some(examples) = command.get_before_help() else { return Ok(()) };
    writeln!(out, ".SH EXAMPLES\n.nf")?;
    for line in examples.to_string().lines().skip(1) {
        writeln!(out, "{}", line.trim_start().replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq"))?;
    }
    writeln!(out, ".fi")
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
