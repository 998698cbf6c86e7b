//! Processes one input.

use std::panic::{AssertUnwindSafe, catch_unwind};

use persona_engine::engine::{Engine, Failure, Report, Timings};
use persona_engine::{Error, Result};

use super::input::Input;
use super::record::{Record, output_line};
use crate::cli::audit;
use crate::cli::hashing;

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
    /// Whether lines contain timings, which differ from run to run.
    pub(super) timings: bool,
    /// Whether there is an audit log.
    pub(super) audit: bool,
}

impl Worker<'_> {
    /// Processes one input. Its error, if any, is in its line.
    pub(super) fn process(&self, input: &Input) -> Output {
        let name = input.name();
        let (result, sha256) = self.infer(input);
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
    fn infer(&self, input: &Input) -> (Result<Report>, Option<String>) {
        if let Some(reason) = input.refused {
            return (Err(Error::Unsupported(reason.into()).in_file(&*input.file)), None);
        }
        let (recording, checksum) = match hashing::open_file(&input.file, self.audit) {
            Ok(opened) => opened,
            Err(error) => return (Err(error), None),
        };
        // A bug that one file triggers must not end a run over thousands.
        let infer = AssertUnwindSafe(|| self.engine.infer(recording));
        let result = catch_unwind(infer).unwrap_or_else(|_| {
            let error = Error::Internal("internal error: please report it with this file".into());
            Err(error.in_file(&*input.file))
        });
        (result, checksum.finish())
    }
}
