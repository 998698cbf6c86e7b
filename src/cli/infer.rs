//! `persona-engine infer FILE...`

use std::io::{self, Write};
use std::path::Path;

use persona_engine::Result;
use persona_engine::engine::{Engine, Listener, Recording, Unhindered};

use super::Stop;
use super::args::{InferArgs, is_stdin, system};
use super::collect::Collected;
use super::form::{Form, Told};

/// Answers each file in turn. Returns whether none failed.
pub(super) fn run(args: &InferArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    args.check().map_err(Stop::SetUp)?;
    let options = args.options().map_err(Stop::SetUp)?;
    let system = system(args.model.as_deref()).map_err(Stop::SetUp)?;
    let engine = Engine::new(system, options).map_err(Stop::SetUp)?;
    let manifest = engine.system().manifest();
    let mut form = Form::new(args, &engine, out)?;
    let mut all_answered = true;
    for file in &args.files {
        form.begin(file);
        let mut collected = Collected::new(args, &mut form);
        match answer(&engine, args.timeline.per_channel, file, &mut collected) {
            Ok(mut told) => {
                let (name, warnings) = told.warnings();
                let shown = if args.quiet { &[] } else { warnings };
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

fn answer(engine: &Engine, per_channel: bool, file: &Path, listener: &mut dyn Listener) -> Result<Told> {
    let recording = if is_stdin(file) { Recording::stream(io::stdin(), "-") } else { Recording::file(file) };
    if per_channel {
        return engine.listen_to_channels(recording, &mut Unhindered, listener).map(Told::Channels);
    }
    engine.listen(recording, &mut Unhindered, listener).map(|report| Told::Mean(Box::new(report)))
}
