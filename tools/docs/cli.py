"""Writes docs/cli.md, the help of every command of the program.

    python3 tools/docs/cli.py target/release/persona-engine             writes it
    python3 tools/docs/cli.py target/release/persona-engine --check     fails if it differs from what would be written

Needs Python's standard library alone.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/cli.md"
HEAD = """<!-- written by tools/docs/cli.py from the program's help: change the help and run it again -->
# Commands

Results go to standard output, everything else to standard error. `persona-engine man` prints the manual page, `persona-engine completions SHELL` a completion script.
The JSON of each command is described in [output.md](output.md).
"""


def help_of(program, command):
    """The help of a command as a list of words; empty for the program's own."""
    done = subprocess.run([program, *command, "--help"], capture_output=True, text=True, check=True, env={"COLUMNS": "100"})
    return done.stdout.rstrip()


def subcommands(text):
    """Names in the section `Commands:` of a help text, in order."""
    section = re.search(r"^Commands:\n((?:  .*\n?)+)", text, re.MULTILINE)
    names = re.findall(r"^  (\S+)", section[1], re.MULTILINE) if section else []
    return [name for name in names if name != "help"]


def sections(program, command=()):
    text = help_of(program, command)
    yield command, text
    for name in subcommands(text):
        yield from sections(program, (*command, name))


def page(program):
    parts = [HEAD]
    for command, text in sections(program):
        parts.append(f"## {' '.join(('persona-engine', *command))}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    text = page(str(Path(arguments.program).resolve()))
    if not arguments.check:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        sys.exit(f"docs/cli.md is not the program's help; run: python3 tools/docs/cli.py {arguments.program}")


if __name__ == "__main__":
    main()
