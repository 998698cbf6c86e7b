//! `persona-engine batch INPUT... -o results.jsonl`
//!
//! | file | concept |
//! |---|---|
//! | `args` | the arguments |
//! | `inputs` | the arguments expanded to inputs, in order |
//! | `folder`, `file_list` | where inputs come from, beside the lists of `lists` |
//! | `input`, `record` | one input; its output line |
//! | `groups`, `worker` | units of work, and what processes one |
//! | `speakers` | baselines of the speakers that a column names |
//! | `order` | many workers, one order |
//! | `journal` | an output file that survives interruption |
//! | `flat` | the results as CSV |
//! | `tally`, `progress` | counts and progress |

mod args;
mod file_list;
mod flat;
mod folder;
mod groups;
mod input;
mod inputs;
mod journal;
mod order;
mod progress;
mod record;
mod speakers;
mod tally;
#[cfg(test)]
mod test_folder;
mod worker;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use persona_engine::engine::{Engine, Options};
use persona_engine::{Error, Result};
use serde_json::{Map, Value, json};

use super::audit::Audit;
use super::numbers::clock;
use super::stop::Stop;
pub(super) use args::BatchArgs;
use flat::Flat;
use inputs::{Inputs, Reading};
use journal::{Journal, Opened};
use progress::Progress;
use speakers::Speakers;
use tally::Tally;
use worker::{Output, Worker};

/// Processes all inputs. Returns whether none failed.
pub(super) fn run(args: &BatchArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    args.check()?;
    let options = Options { speakers: args.speakers, ..args.prediction.options()? };
    let reading =
        Reading { file_column: args.file_column.as_deref(), whole_files: args.whole_files, raw: options.raw.is_some() };
    let inputs = Inputs::expand(&args.inputs, reading, &mut io::stdin())?;
    if !args.prediction.quiet {
        inputs.warnings.iter().try_for_each(|warning| writeln!(err, "persona-engine: warning: {warning}"))?;
    }
    let engine = Engine::new(args.prediction.model.open_with_heads()?, options)?;
    let speakers = match &args.speaker_column {
        None => None,
        Some(column) => {
            if !args.prediction.quiet {
                writeln!(err, "persona-engine: first pass, for the baselines of the speakers in `{column}`")?;
            }
            Some(Speakers::new(&engine, &inputs.list, column, args.jobs())?)
        }
    };
    let batch = Batch { args, inputs: &inputs, engine: &engine, speakers: speakers.as_ref() };
    let tally = match &args.output {
        Some(path) => batch.to_file(path, err)?,
        None => batch.to_stream(out, err)?,
    };
    Ok(tally.failures() == 0)
}

/// The recordings that arguments name, as `batch` expands them.
///
/// # Errors
/// An argument that cannot be read, no recording at all, or a list of segments.
pub(super) fn recordings(arguments: &[OsString]) -> Result<Vec<PathBuf>> {
    let inputs = Inputs::expand(arguments, Reading::default(), &mut io::stdin())?;
    if let Some(input) = inputs.list.iter().find(|input| input.span.is_some()) {
        let name = input.name();
        return Err(Error::usage(format!("the list states segments of {name}; whole recordings are needed here")));
    }
    Ok(inputs.list.into_iter().map(|input| input.file.into_path_buf()).collect())
}

struct Batch<'a> {
    args: &'a BatchArgs,
    inputs: &'a Inputs,
    engine: &'a Engine,
    speakers: Option<&'a Speakers>,
}

impl Batch<'_> {
    /// Writes to a file by way of its journal, which `--resume` continues.
    fn to_file(&self, path: &Path, err: &mut dyn Write) -> Result<Tally, Stop> {
        let mut tally = Tally::default();
        let (mut journal, done) =
            match Journal::open(path, self.settings(), self.args.existing(), self.inputs, &mut tally)? {
                Opened::Unfinished { journal, done, dropped } => {
                    self.report_resumed(done, dropped, err)?;
                    (journal, done)
                }
                Opened::Finished => {
                    self.report(err, &format!("{} is already complete", path.display()))?;
                    self.report_tally(&tally, err)?;
                    return Ok(tally);
                }
            };
        let speed = self.process(done, &mut tally, err, &mut |output| Ok(journal.write(&output.line)?))?;
        match self.flat() {
            None => journal.finish(&tally, None)?,
            Some(flat) => {
                let convert = |from: &mut dyn BufRead, to: &mut dyn Write| flat.convert(from, to);
                journal.finish(&tally, Some(&convert))?;
            }
        }
        self.report_tally(&tally, err)?;
        self.report(err, &format!("{speed}; {}", path.display()))?;
        Ok(tally)
    }

    /// Writes each result to `out` as soon as those before it are written.
    fn to_stream(&self, out: &mut dyn Write, err: &mut dyn Write) -> Result<Tally, Stop> {
        let mut tally = Tally::default();
        let flat = self.flat();
        if let Some(flat) = &flat {
            flat.write_header(out)?;
        }
        let speed = self.process(0, &mut tally, err, &mut |output| {
            match &flat {
                Some(flat) => flat.write_record(&output.record, out)?,
                None => writeln!(out, "{}", output.line)?,
            }
            Ok(out.flush()?)
        })?;
        self.report_tally(&tally, err)?;
        self.report(err, &speed)?;
        Ok(tally)
    }

    /// Processes the inputs from number `first` on, writes their outputs in order and counts them.
    /// Returns the speed, as text.
    fn process(
        &self,
        first: usize,
        tally: &mut Tally,
        err: &mut dyn Write,
        write: &mut dyn FnMut(&Output) -> Result<(), Stop>,
    ) -> Result<String, Stop> {
        let mut audit = self.args.prediction.audit.as_deref().map(Audit::open).transpose()?;
        let list = &self.inputs.list;
        let Self { engine, speakers, .. } = *self;
        let worker = Worker { engine, list, speakers, timings: self.args.timings, audit: audit.is_some() };
        let mut progress = Progress::new(list.len(), first, self.args.prediction.quiet);
        let mut consume = |output: Output| -> Result<(), Stop> {
            if let (Some(audit), Some(entry)) = (&mut audit, &output.audit) {
                audit.append(entry)?;
            }
            write(&output)?;
            tally.add(&output.record);
            Ok(progress.step(output.record.duration_s.unwrap_or(0.0), output.record.error.as_deref(), err)?)
        };
        let units = groups::units(list, first..list.len(), self.speakers.is_none());
        let work = |unit: usize| worker.process(&units[unit]);
        let size = |outputs: &Vec<Output>| outputs.iter().map(Output::bytes).sum();
        let (mut waiting, mut due) = (BTreeMap::new(), first);
        let result = order::in_order(0..units.len(), self.args.jobs(), work, size, |outputs| {
            waiting.extend(outputs.into_iter().map(|output| (output.number, output)));
            while let Some(output) = waiting.remove(&due) {
                consume(output)?;
                due += 1;
            }
            Ok(())
        });
        progress.end();
        result.map(|()| format!("{} in {}", progress.speed(), clock(progress.elapsed().as_secs_f64())))
    }

    /// The CSV, if it is wanted.
    fn flat(&self) -> Option<Flat> {
        let classifier = self.engine.model().manifest().classifier.as_ref()?;
        self.args.flat.then(|| {
            let segments = self.inputs.list.iter().any(|input| input.span.is_some());
            Flat::new(classifier, self.engine.options().heads, &self.inputs.columns, segments)
        })
    }

    /// All settings that determine the bytes of the output.
    fn settings(&self) -> Map<String, Value> {
        let (manifest, options) = (self.engine.model().manifest(), self.engine.options());
        let settings = json!({
            "program": concat!("persona-engine ", env!("CARGO_PKG_VERSION")),
            "model": manifest.name,
            "model_sha256": manifest.sha256,
            "precision": self.engine.model().precision().name(),
            "heads": options.heads.names().collect::<Vec<_>>(),
            "min_confidence": options.min_confidence,
            "min_familiarity": options.min_familiarity,
            "raw": options.raw.as_ref().map(ToString::to_string),
            "activity": options.activity,
            "accept_truncated": options.limits.accept_truncated,
            "speaker_column": self.args.speaker_column,
            "flat": self.args.flat,
            "timings": self.args.timings,
            "inputs": self.inputs.list.len(),
            "inputs_sha256": self.inputs.sha256(),
        });
        let mut settings = settings.as_object().cloned().unwrap_or_default();
        // absent without, so that runs of earlier versions can be resumed
        if let Some(persona_engine::Speakers { min, max }) = options.speakers {
            settings.insert("speakers".into(), json!([min, max]));
        }
        settings
    }

    fn report_resumed(&self, done: usize, dropped: u64, err: &mut dyn Write) -> io::Result<()> {
        if done == 0 && dropped == 0 {
            return Ok(());
        }
        let all = self.inputs.list.len();
        let torn =
            if dropped > 0 { format!(" ({dropped} bytes of an incomplete line dropped)") } else { String::new() };
        self.report(err, &format!("resuming after {done} of {all} inputs{torn}"))
    }

    fn report_tally(&self, tally: &Tally, err: &mut dyn Write) -> io::Result<()> {
        if self.args.prediction.quiet { Ok(()) } else { tally.write(err) }
    }

    fn report(&self, err: &mut dyn Write, message: &str) -> io::Result<()> {
        if self.args.prediction.quiet { Ok(()) } else { writeln!(err, "persona-engine: {message}") }
    }
}
