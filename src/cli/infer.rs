//! `persona-engine infer FILE...`

use std::io::Write;
use std::path::Path;

use persona_engine::Result;
use persona_engine::engine::{Engine, NoControl, Observer, Recording};

use super::Stop;
use super::args::{InferArgs, is_stdin, system_in};
use super::audit::{self, Audit};
use super::collect::Collected;
use super::form::{Form, Told};
use super::hear::{self, Heard};

/// Predicts each file in turn. Returns whether none failed.
pub(super) fn run(args: &InferArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    args.check().map_err(Stop::SetUp)?;
    let options = args.options().map_err(Stop::SetUp)?;
    let system = system_in(args.answer.model.as_deref(), args.answer.precision).map_err(Stop::SetUp)?;
    let engine = Engine::new(system, options).map_err(Stop::SetUp)?;
    let mut audit = args.answer.audit.as_deref().map(Audit::open).transpose().map_err(Stop::SetUp)?;
    let manifest = engine.system().manifest();
    let mut form = Form::new(args, &engine, out)?;
    let mut all_answered = true;
    for file in &args.files {
        form.begin(file);
        let mut collected = Collected::new(args, &mut form);
        let heard = hear(&engine, args, file, audit.is_some(), &mut collected);
        if let Some(audit) = &mut audit {
            audit.append(&audit::entry(&engine, &file.to_string_lossy(), &heard))?;
        }
        match heard.answer {
            Ok(mut told) => {
                let (name, warnings) = told.warnings();
                let shown = if args.answer.quiet { &[] } else { warnings };
                shown.iter().try_for_each(|warning| writeln!(err, "persona-engine: {name}: warning: {warning}"))?;
                collected.write_files(args, file, &told).map_err(Stop::SetUp)?;
                collected.complete(&mut told);
                let runs = collected.runs;
                form.end(&told, runs.as_ref(), manifest)?;
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

fn hear(engine: &Engine, args: &InferArgs, file: &Path, hashed: bool, observer: &mut dyn Observer) -> Heard<Told> {
    let answer = |recording: Recording| {
        if args.timeline.per_channel {
            return engine.listen_to_channels(recording, &mut NoControl, observer).map(Told::Channels);
        }
        engine.listen(recording, &mut NoControl, observer).map(|report| Told::Mean(Box::new(report)))
    };
    if is_stdin(file) { hear::stdin(hashed, answer) } else { hear::file(file, hashed, answer) }
}
