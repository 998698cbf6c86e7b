//! `persona-engine completions SHELL` and `persona-engine man`: generated from the definitions that
//! parse the arguments.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use persona_engine::Error;

use super::stop::Stop;

#[derive(Args)]
#[command(after_help = INSTALL)]
pub(super) struct CompletionsArgs {
    /// Shell to generate the script for.
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
    /// Command to print the page of, such as `infer` or `model list` [default: the program].
    #[arg(value_name = "COMMAND", conflicts_with = "output")]
    command: Vec<String>,
    /// Write the pages of all commands to this folder.
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

const READ: &str = "\
Examples:
  persona-engine man | man -l -
  persona-engine man batch | man -l -
  persona-engine man --output ~/.local/share/man/man1";

/// Prints a shell's completion script for `program`. Always returns true.
pub(super) fn completions(args: &CompletionsArgs, mut program: Command, out: &mut dyn Write) -> Result<bool, Stop> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "persona-engine", &mut script);
    // For bash, clap_complete 4.6.11 names a command `persona__engine__subcmd__batch` where it is
    // looked up and `persona__subcmd__engine__subcmd__batch` where its options are listed, because
    // of the hyphen in the program's name. Without this replacement no option of a command would be
    // completed.
    let script = String::from_utf8_lossy(&script).replace("persona__subcmd__engine", "persona__engine");
    out.write_all(script.as_bytes())?;
    Ok(true)
}

/// Prints the manual page of one command of `program`, or writes all pages to a folder. Always
/// returns true.
pub(super) fn man(args: &ManArgs, mut program: Command, out: &mut dyn Write) -> Result<bool, Stop> {
    program.build();
    if let Some(folder) = &args.output {
        fs::create_dir_all(folder)
            .and_then(|()| write_pages(&program, folder))
            .map_err(|error| Error::write(folder.display().to_string(), error))?;
        return Ok(true);
    }
    let mut page = &program;
    for name in &args.command {
        let unknown = || Error::usage(format!("no command `{name}`; {}", subcommands(page)));
        page = page.find_subcommand(name).ok_or_else(unknown)?;
    }
    write_page(page, out)?;
    Ok(true)
}

/// Writes the pages of a command and of all its subcommands.
fn write_pages(command: &Command, folder: &Path) -> io::Result<()> {
    let mut page = Vec::new();
    write_page(command, &mut page)?;
    fs::write(folder.join(Man::new(command.clone()).get_filename()), page)?;
    command
        .get_subcommands()
        .filter(|below| below.get_name() != "help")
        .try_for_each(|below| write_pages(below, folder))
}

/// Writes one page in roff, with a section of examples: clap_mangen leaves out the text before the
/// help.
fn write_page(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    Man::new(command.clone()).render(out)?;
    let Some(examples) = command.get_before_help() else { return Ok(()) };
    writeln!(out, ".SH EXAMPLES\n.nf")?;
    for line in examples.to_string().lines().skip(1) {
        writeln!(out, "{}", line.trim_start().replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq"))?;
    }
    writeln!(out, ".fi")
}

/// Lists the subcommands of a command, for an error.
fn subcommands(command: &Command) -> String {
    let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    if names.is_empty() { "it has no subcommands".to_owned() } else { format!("available: {}", names.join(", ")) }
}
