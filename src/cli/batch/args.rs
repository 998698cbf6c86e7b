//! The arguments of `batch`.

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread::available_parallelism;

use clap::Args;
use persona_engine::Result;
use persona_engine::engine::Speakers;

use super::journal::Existing;
use crate::cli::help::TEMPLATE;
use crate::cli::input::check_stdin_once;
use crate::cli::prediction_args::PredictionArgs;
use crate::cli::speaker_count::speakers;

#[derive(Args)]
#[command(override_usage = "persona-engine batch [OPTIONS] <INPUT>...", before_help = EXAMPLES, after_help = NOTES, help_template = TEMPLATE)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct BatchArgs {
    /// Files; folders (with subfolders); patterns such as 'calls/**/*.wav'; lists of files or of
    /// segments: *.csv, *.tsv, *.rttm, label tracks of Audacity (*.txt), Kaldi's wav.scp and
    /// segments; `-` for a list of files on standard input, one per line.
    #[arg(required_unless_present = "notice", value_name = "INPUT")]
    pub(super) inputs: Vec<OsString>,
    /// Write the results to this file, one line per input, in the order of the inputs [default:
    /// standard output].
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Files processed at a time, one thread each [default: the number of cores]. The results are
    /// the same for any number.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Resume an interrupted run with the same inputs and options; start one if none exists.
    #[arg(long, requires = "output", conflicts_with = "overwrite")]
    resume: bool,
    /// Replace existing results.
    #[arg(long, requires = "output")]
    overwrite: bool,
    /// Write CSV with one value per column instead of JSON, for spreadsheets, data frames and
    /// Parquet.
    #[arg(long)]
    pub(super) flat: bool,
    /// Tell speakers apart, as `infer --speakers` does: a result has a list `speakers`, each with its
    /// turns.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "auto", value_parser = speakers)]
    #[arg(conflicts_with = "flat")]
    pub(super) speakers: Option<Speakers>,
    /// Column of the tables that names the file [default: file].
    #[arg(long, value_name = "NAME")]
    pub(super) file_column: Option<String>,
    /// Column of the manifests that names the speaker: each recording is predicted minus the baseline
    /// of the speaker's others, unless they are too few or too much alike (one mood). Every recording
    /// is processed twice, and 16 bytes a value of its vector (40 kB with the default model) are kept
    /// in memory. A recording with an empty field has no baseline.
    #[arg(long, value_name = "NAME")]
    pub(super) speaker_column: Option<String>,
    /// Process the whole file for each row of a list, whatever start and end it states.
    #[arg(long)]
    pub(super) whole_files: bool,
    /// Add the time of each processing stage. The results then differ from run to run.
    #[arg(long, conflicts_with = "flat")]
    pub(super) timings: bool,
    #[command(flatten)]
    pub(crate) prediction: PredictionArgs,
}

const EXAMPLES: &str = "\
Examples:
  persona-engine batch calls/ -o results.jsonl
  persona-engine batch calls/ -o results.jsonl --resume        # after an interruption
  persona-engine batch calls.csv -o results.csv --flat         # keeps the columns of calls.csv
  persona-engine batch calls.csv --speaker-column agent -o results.jsonl
  persona-engine batch turns.rttm -o turns.jsonl               # a result per segment
  find . -name '*.wav' | persona-engine batch - --jobs 4 | jq .emotion.label";

const NOTES: &str = "\
In folders, files *.wav, *.wave, *.mp3, *.flac, *.ogg, *.oga and *.m4a are taken (with --raw: *.raw and *.pcm), without hidden names, sorted by \
the bytes of their names, folder by folder.

A table has a column `file`, relative to the table's folder. With columns `start` and `end` (or `duration`), in seconds or as 0 days 00:00:01.5, \
each row is answered on its own segment, and a file is decoded once for all of its rows; so are audformat's index, RTTM, Audacity's label tracks \
and Kaldi's segments. Each result contains its row as `manifest`. RTTM, label tracks and segments name a recording beside them without its \
ending. In Kaldi's wav.scp, names are relative to the current folder; an entry that is a command is refused, never executed; the id is kept.

A file that fails becomes a line with `error` and `reason`; the others are processed. During a run the lines are in FILE.part; FILE is complete \
whenever it exists. FILE.run.json contains the settings and, at the end, the counts.

Exit codes: 0 all inputs succeeded, 1 some input failed (the others have results), 2 wrong usage or set-up.";

impl BatchArgs {
    /// Refuses combinations that the parser cannot see.
    pub(super) fn check(&self) -> Result<()> {
        check_stdin_once(&self.inputs)
    }

    /// What to do with an existing output.
    pub(super) fn existing(&self) -> Existing {
        match (self.resume, self.overwrite) {
            (true, _) => Existing::Resume,
            (_, true) => Existing::Overwrite,
            _ => Existing::Refuse,
        }
    }

    /// Number of files processed at a time.
    pub(super) fn jobs(&self) -> usize {
        self.jobs.map_or_else(|| available_parallelism().map_or(1, NonZero::get), usize::from)
    }
}
