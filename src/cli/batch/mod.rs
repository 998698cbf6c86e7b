//! `persona-engine batch INPUT... -o results.jsonl`
//!
//! | file | concept |
//! |---|---|
//! | `args` | the arguments |
//! | `inputs` | which inputs there are, in which order |
//! | `folder`, `list`, `manifest`, `scp` | the places that name them |
//! | `answer` | one input's line |
//! | `order` | many workers, one order |
//! | `journal` | an output that survives being killed |
//! | `flat` | lines as a table |
//! | `tally`, `progress` | what came of it, and how far it is |

mod answer;
mod args;
mod flat;
mod folder;
mod inputs;
mod journal;
mod list;
mod manifest;
mod order;
mod progress;
mod scp;
mod tally;
#[cfg(test)]
mod testing;

use std::io::{self, Write};
use std::path::Path;

use persona_engine::Result;
use persona_engine::engine::Engine;
use serde_json::{Map, Value, json};

use super::Stop;
use super::args::classifier;
use super::audit::Audit;
use answer::{Answerer, Made};
pub(super) use args::BatchArgs;
use flat::Flat;
use inputs::{Inputs, Reading};
use journal::{Journal, Opened};
use progress::{Progress, clock};
use tally::{Line, Tally};

/// Predicts all inputs. Returns whether none failed.
pub(super) fn run(args: &BatchArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    args.check().map_err(Stop::SetUp)?;
    let options = args.answer.options().map_err(Stop::SetUp)?;
    let reading = Reading { file_column: args.file_column.as_deref(), raw: options.raw.is_some() };
    let inputs = Inputs::expand(&args.inputs, reading, &mut io::stdin()).map_err(Stop::SetUp)?;
    let model = classifier(args.answer.model.as_deref(), args.answer.precision).map_err(Stop::SetUp)?;
    let engine = Engine::new(model, options).map_err(Stop::SetUp)?;
    let batch = Batch { args, inputs: &inputs, engine: &engine };
    let tally = match &args.output {
        Some(whole) => batch.to_file(whole, err)?,
        None => batch.to_stream(out, err)?,
    };
    Ok(tally.failures() == 0)
}

struct Batch<'a> {
    args: &'a BatchArgs,
    inputs: &'a Inputs,
    engine: &'a Engine,
}

impl Batch<'_> {
    fn to_file(&self, whole: &Path, err: &mut dyn Write) -> Result<Tally, Stop> {
        let mut tally = Tally::default();
        let opened = Journal::open(whole, self.settings(), self.args.existing(), self.inputs, &mut tally);
        let (mut journal, done) = match opened.map_err(Stop::SetUp)? {
            Opened::Unfinished { journal, done, dropped } => {
                self.tell_taken_up(done, dropped, err)?;
                (journal, done)
            }
            Opened::Finished => {
                self.tell(err, &format!("{} is whole already", whole.display()))?;
                return self.sum_up(tally, err);
            }
        };
        let time = self.answer_from(done, &mut tally, err, &mut |line| journal.write(line))?;
        let flat = self.flat();
        let render =
            flat.as_ref().map(|flat| move |from: &mut dyn io::BufRead, to: &mut dyn Write| flat.render(from, to));
        journal.finish(&tally, render.as_ref().map(|render| render as &journal::Render<'_>))?;
        let tally = self.sum_up(tally, err)?;
        self.tell(err, &format!("{time}; {}", whole.display()))?;
        Ok(tally)
    }

    fn to_stream(&self, out: &mut dyn Write, err: &mut dyn Write) -> Result<Tally, Stop> {
        let mut tally = Tally::default();
        let flat = self.flat();
        if let Some(flat) = &flat {
            flat.write_header(out)?;
        }
        let time = self.answer_from(0, &mut tally, err, &mut |line| {
            match &flat {
                Some(flat) => flat.write_line(line, out)?,
                None => writeln!(out, "{line}")?,
            }
            out.flush()
        })?;
        let tally = self.sum_up(tally, err)?;
        self.tell(err, &time)?;
        Ok(tally)
    }

    /// Predicts the inputs from the one numbered `done` on, and counts them. Returns how fast it was, in words.
    fn answer_from(
        &self,
        done: usize,
        tally: &mut Tally,
        err: &mut dyn Write,
        write: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> Result<String, Stop> {
        let audit = self.args.answer.audit.as_deref().map(Audit::open).transpose().map_err(Stop::SetUp)?;
        let answerer = Answerer { engine: self.engine, timings: self.args.timings, audit: audit.is_some() };
        let mut progress = Progress::new(self.inputs.list.len(), done, self.args.answer.quiet);
        let (mut audit, list) = (audit, &self.inputs.list);
        let take = |_, made: Made| {
            if let (Some(audit), Some(entry)) = (&mut audit, &made.audit) {
                audit.append(entry)?;
            }
            write(&made.line)?;
            let line: Line = serde_json::from_str(&made.line)?;
            tally.add(&line);
            progress.step(line.duration_s, made.error.as_deref(), err)
        };
        let made = |number: usize| answerer.answer(&list[number]);
        let answered = order::in_order(done..list.len(), self.args.jobs(), made, Made::bytes, take);
        progress.end();
        answered?;
        Ok(format!("{} in {}", progress.speed(), clock(progress.elapsed())))
    }

    fn flat(&self) -> Option<Flat> {
        let classifier = self.engine.model().manifest().classifier.as_ref()?;
        self.args.flat.then(|| Flat::new(classifier, self.engine.options().heads, &self.inputs.columns))
    }

    /// All that decides the output's bytes.
    fn settings(&self) -> Map<String, Value> {
        let (manifest, options) = (self.engine.model().manifest(), self.engine.options());
        let settings = json!({
            "program": concat!("persona-engine ", env!("CARGO_PKG_VERSION")),
            "model": manifest.name,
            "model_sha256": manifest.sha256,
            "precision": self.engine.model().precision().name(),
            "heads": options.heads.names().collect::<Vec<_>>(),
            "min_confidence": options.min_confidence,
            "raw": options.raw.as_ref().map(ToString::to_string),
            "activity": options.activity,
            "accept_truncated": options.limits.accept_truncated,
            "flat": self.args.flat,
            "timings": self.args.timings,
            "inputs": self.inputs.list.len(),
            "inputs_sha256": self.inputs.sha256(),
        });
        settings.as_object().cloned().unwrap_or_default()
    }

    fn tell_taken_up(&self, done: usize, dropped: u64, err: &mut dyn Write) -> io::Result<()> {
        if done > 0 || dropped > 0 {
            let all = self.inputs.list.len();
            let torn = if dropped > 0 { format!(" ({dropped} bytes of a torn line left out)") } else { String::new() };
            self.tell(err, &format!("taken up after {done} of {all} inputs{torn}"))?;
        }
        Ok(())
    }

    fn sum_up(&self, tally: Tally, err: &mut dyn Write) -> Result<Tally, Stop> {
        if !self.args.answer.quiet {
            tally.write(err)?;
        }
        Ok(tally)
    }

    fn tell(&self, err: &mut dyn Write, what: &str) -> io::Result<()> {
        if self.args.answer.quiet { Ok(()) } else { writeln!(err, "persona-engine: {what}") }
    }
}
