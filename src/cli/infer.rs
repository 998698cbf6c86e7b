//! `persona-engine infer FILE...`

use std::io::Write;
use std::path::Path;

use persona_engine::Result;
use persona_engine::engine::{Engine, NoControl, Observer, Recording};

use super::Stop;
use super::args::{InferArgs, classifier, is_stdin};
use super::audit::{self, Audit};
use super::collect::Collected;
use super::form::Form;
use super::hear::{self, Heard};

/// Predicts each file in turn. Returns whether none failed.
pub(super) fn run(args: &InferArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    args.check().map_err(Stop::SetUp)?;
    let options = args.options().map_err(Stop::SetUp)?;
    let model = classifier(args.answer.model.as_deref(), args.answer.precision).map_err(Stop::SetUp)?;
    let engine = Engine::new(model, options).map_err(Stop::SetUp)?;
    let mut audit = args.answer.audit.as_deref().map(Audit::open).transpose().map_err(Stop::SetUp)?;
    let manifest = engine.model().manifest();
    let mut form = Form::new(args, &engine, out)?;
    let mut all_answered = true;
    for file in &args.files {
        form.begin(file);
        let mut collected = Collected::new(args, &mut form);
        let heard = hear(&engine, file, audit.is_some(), &mut collected);
        if let Some(audit) = &mut audit {
            audit.append(&audit::entry(&engine, &file.to_string_lossy(), &heard))?;
        }
        match heard.answer {
            Ok(mut report) => {
                let name = &report.recording.file;
                let shown = if args.answer.quiet { &[] } else { &report.warnings[..] };
                shown.iter().try_for_each(|warning| writeln!(err, "persona-engine: {name}: warning: {warning}"))?;
                collected.write_files(args, file, &report).map_err(Stop::SetUp)?;
                collected.complete(&mut report);
                let runs = collected.runs;
                form.end(&report, runs.as_ref(), manifest)?;
            }
            Err(error) => {
                form.check()?;
                all_answered = false;
                writeln!(err, "persona-engine: {error}")?;
                form.fail(file, &error)?;
            }
        }
    }
    Ok(all_answered)
}

fn hear(engine: &Engine, file: &Path, hashed: bool, observer: &mut dyn Observer) -> Heard {
    let answer = |recording: Recording| engine.infer_observed(recording, &mut NoControl, observer);
    if is_stdin(file) { hear::stdin(hashed, answer) } else { hear::file(file, hashed, answer) }
}
