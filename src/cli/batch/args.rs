//! The arguments of `batch`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use persona_engine::{Error, Result};

use super::journal::Existing;
use crate::cli::args::{AnswerArgs, TEMPLATE};

#[derive(Args)]
#[command(override_usage = "persona-engine batch [OPTIONS] <INPUT>...", before_help = EXAMPLES, after_help = MORE, help_template = TEMPLATE)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct BatchArgs {
    /// Files; folders (all their recordings, subfolders too); patterns such as 'calls/**/*.wav'; manifests *.csv, *.tsv; Kaldi's *.scp; `-` for a
    /// list of files on standard input, one a line.
    #[arg(required_unless_present = "notice", value_name = "INPUT")]
    pub(super) inputs: Vec<OsString>,
    /// Where the results go: one line an input, in the order of the inputs. Without it they go to standard output.
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Files that are answered at a time, each by one thread [default: the cores there are]. The results are the same bytes for any number.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) jobs: Option<u16>,
    /// Take up a run that was killed: the same inputs and options again. Where there is none, begin; where it is whole, do nothing.
    #[arg(long, requires = "output", conflicts_with = "overwrite")]
    pub(super) resume: bool,
    /// Replace results that are there already.
    #[arg(long, requires = "output")]
    pub(super) overwrite: bool,
    /// CSV with one value a column in place of JSON: for spreadsheets, data frames, Parquet.
    #[arg(long)]
    pub(super) flat: bool,
    /// The column of the manifests that names the file [default: file].
    #[arg(long, value_name = "NAME")]
    pub(super) file_column: Option<String>,
    /// Tell of each input where the time went. Then the results differ from run to run.
    #[arg(long, conflicts_with = "flat")]
    pub(super) timings: bool,
    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}

const EXAMPLES: &str = "\
Examples:
  persona-engine batch calls/ -o results.jsonl
  persona-engine batch calls/ -o results.jsonl --resume        # after a crash: the same again
  persona-engine batch calls.csv -o results.csv --flat         # the table's own columns are kept
  find . -name '*.wav' | persona-engine batch - --jobs 4 | jq .emotion.label";

const MORE: &str = "\
Of a folder .wav, .wave, .mp3, .flac, .ogg, .oga and .m4a are taken (with --raw: .raw and .pcm), without hidden names, in the order of the \
names' bytes, folder by folder. A manifest has a column `file`, whose names start from its folder; each result keeps the row as `manifest`. \
In Kaldi's wav.scp names start from the current folder; an entry that is a command is refused, never run; the id is kept.

A bad file is a line with `error` and `reason`, and the others go on. While a run lasts its lines are in FILE.part; FILE is only ever whole. \
FILE.run.json says what made it, and its counts.

Exit codes: 0 all answered, 1 some input failed (the others are answered), 2 usage or set-up.";

impl BatchArgs {
    /// Refuses what no parser sees.
    pub(super) fn check(&self) -> Result<()> {
        if self.inputs.iter().filter(|input| *input == "-").count() > 1 {
            return Err(Error::Config("`-` (standard input) is named twice, and can be read only once".into()));
        }
        Ok(())
    }

    pub(super) fn existing(&self) -> Existing {
        match (self.resume, self.overwrite) {
            (true, _) => Existing::Resume,
            (_, true) => Existing::Overwrite,
            _ => Existing::Refuse,
        }
    }

    /// Files that are answered at a time.
    pub(super) fn jobs(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.jobs.map_or_else(cores, usize::from)
    }
}
