//! Processes one unit of work: an input, or the segments of one file.

use std::panic::{AssertUnwindSafe, catch_unwind};

use persona_engine::engine::{Engine, Failure, NoControl, Options, Report, Span, Timings};
use persona_engine::{Error, Result};

use super::input::Input;
use super::record::{Record, output_line};
use super::speakers::Speakers;
use crate::cli::audit;

/// The results of one input.
#[derive(Debug)]
pub(super) struct Output {
    /// Number of the input.
    pub(super) number: usize,
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
    pub(super) list: &'a [Input],
    /// The baselines of speakers, if a column names them. Then a unit is one input.
    pub(super) speakers: Option<&'a Speakers>,
    /// Whether lines contain timings, which differ from run to run.
    pub(super) timings: bool,
    /// Whether there is an audit log.
    pub(super) audit: bool,
}

impl Worker<'_> {
    /// Processes the inputs of a unit, which are one input or segments of one file. An error of an
    /// input is in its line.
    pub(super) fn process(&self, unit: &[usize]) -> Vec<Output> {
        let (results, sha256) = self.infer(unit);
        unit.iter().zip(results).map(|(number, result)| self.output(*number, result, sha256.as_deref())).collect()
    }

    fn output(&self, number: usize, result: Result<Report>, sha256: Option<&str>) -> Output {
        let input = &self.list[number];
        let (name, row) = (input.name(), input.row.as_ref());
        let audit = self.audit.then(|| audit::entry(self.engine, &name, sha256, &result));
        match result {
            Ok(mut report) => {
                if !self.timings {
                    report.timings_ms = Timings::default();
                }
                let (line, record) = (output_line(&report, row), Record::of_report(&report, row));
                Output { number, line, record, audit }
            }
            Err(error) => {
                let failure = Failure::new(name, &error).of_span(input.span);
                let (line, record) = (output_line(&failure, row), Record::of_failure(&failure, row));
                Output { number, line, record, audit }
            }
        }
    }

    /// The reports of a unit's inputs, and the SHA-256 of their file if there is an audit log.
    fn infer(&self, unit: &[usize]) -> (Vec<Result<Report>>, Option<String>) {
        let input = &self.list[unit[0]];
        let of_all = |error: &Error| unit.iter().map(|_| Err(error.duplicate())).collect();
        let (recording, checksum) = match input.open(self.audit) {
            (Ok(recording), checksum) => (recording, checksum),
            (Err(error), _) => return (of_all(&error), None),
        };
        let engine = match self.engine_for(unit[0]) {
            Ok(engine) => engine,
            Err(error) => return (of_all(&error), None),
        };
        let spans: Vec<Span> = unit.iter().filter_map(|number| self.list[*number].span).collect();
        // A bug that one file triggers must not end a run over thousands.
        let infer = AssertUnwindSafe(|| match spans.len() {
            0 => vec![engine.infer(recording)],
            _ => engine.infer_spans(recording, &spans, &mut NoControl),
        });
        let results = catch_unwind(infer).unwrap_or_else(|_| {
            let error = Error::Internal("internal error: please report it with this file".into());
            of_all(&error.in_file(&*input.file))
        });
        (results, checksum.finish())
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
