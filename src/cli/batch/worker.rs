//! Processes one input.

use std::panic::{AssertUnwindSafe, catch_unwind};

use persona_engine::engine::{Engine, Failure, Options, Report, Timings};
use persona_engine::{Error, Result};

use super::input::Input;
use super::record::{Record, output_line};
use super::speakers::Speakers;
use crate::cli::audit;

/// The results of one input.
#[derive(Debug)]
pub(super) struct Output {
    /// One JSON object without a line break.
    pub(super) line: String,
    /// The same for the counts and the CSV.
    pub(super) record: Record,
    /// Its line for the audit log, if there is one.
    pub(super) audit: Option<String>,
}

impl Output {
    /// Approximate size in bytes.
    pub(super) fn bytes(&self) -> usize {
        2 * self.line.len() + self.audit.as_ref().map_or(0, String::len)
    }
}

/// Processes inputs, from any number of threads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Worker<'a> {
    pub(super) engine: &'a Engine,
    /// The baselines of speakers, if a column names them.
    pub(super) speakers: Option<&'a Speakers>,
    /// Whether lines contain timings, which differ from run to run.
    pub(super) timings: bool,
    /// Whether there is an audit log.
    pub(super) audit: bool,
}

impl Worker<'_> {
    /// Processes the input of this number. Its error, if any, is in its line.
    pub(super) fn process(&self, number: usize, input: &Input) -> Output {
        let name = input.name();
        let (result, sha256) = self.infer(number, input);
        let audit = self.audit.then(|| audit::entry(self.engine, &name, sha256.as_deref(), &result));
        let row = input.row.as_ref();
        match result {
            Ok(mut report) => {
                if !self.timings {
                    report.timings_ms = Timings::default();
                }
                Output { line: output_line(&report, row), record: Record::of_report(&report, row), audit }
            }
            Err(error) => {
                let failure = Failure::new(name, &error);
                Output { line: output_line(&failure, row), record: Record::of_failure(&failure, row), audit }
            }
        }
    }

    /// The report of an input, and its SHA-256 if there is an audit log.
    fn infer(&self, number: usize, input: &Input) -> (Result<Report>, Option<String>) {
        let (recording, checksum) = match input.open(self.audit) {
            (Ok(recording), checksum) => (recording, checksum),
            (Err(error), _) => return (Err(error), None),
        };
        let engine = match self.engine_for(number) {
            Ok(engine) => engine,
            Err(error) => return (Err(error), None),
        };
        // A bug that one file triggers must not end a run over thousands.
        let infer = AssertUnwindSafe(|| engine.infer(recording));
        let result = catch_unwind(infer).unwrap_or_else(|_| {
            let error = Error::Internal("internal error: please report it with this file".into());
            Err(error.in_file(&*input.file))
        });
        (result, checksum.finish())
    }

    /// The engine with the baseline of the speaker of this input.
    fn engine_for(&self, number: usize) -> Result<Engine> {
        let options = self.engine.options().clone();
        let baseline = match self.speakers {
            None => None,
            Some(speakers) => speakers.baseline(self.engine, number)?,
        };
        self.engine.with_options(Options { baseline, ..options })
    }
}
