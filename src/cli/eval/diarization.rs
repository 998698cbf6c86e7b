//! `persona-engine eval --rttm REFERENCE.rttm`: who speaks when, against a reference.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use persona_engine::engine::{Engine, Options, Recording, Report};
use persona_engine::eval::diarization::{
    Annotation, Annotations, DiarizationInputs, DiarizationReport, DiarizationSource, annotations, scored_time,
    write_text,
};
use persona_engine::lists::{read_scored, read_turns};
use persona_engine::{Error, Result};

use super::arguments::{DiarizationArgs, EvalArgs};
use crate::cli::stop::Stop;

/// Compares, prints the measures, writes the requested file.
pub(super) fn run(reference: &Path, args: &EvalArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    let DiarizationArgs { uem, hyp, .. } = &args.diarization;
    let truth = annotations(&read_turns(reference)?).map_err(|error| error.in_file(reference))?;
    let scored = match uem {
        Some(path) => Some(scored_time(&read_scored(path)?).map_err(|error| error.in_file(path))?),
        None => None,
    };
    let named = |path: &Path| path.display().to_string();
    let mut source =
        DiarizationSource { reference: named(reference), uem: uem.as_deref().map(named), ..Default::default() };
    let hypothesis = if let Some(path) = hyp {
        source.hypothesis = Some(named(path));
        annotations(&read_turns(path)?).map_err(|error| error.in_file(path))?
    } else {
        let recordings = named_recordings(&args.inputs, &truth)?;
        let options = Options {
            threads: usize::from(args.threads),
            speakers: Some(args.diarization.speakers.unwrap_or_default()),
            ..args.options()
        };
        let engine = Engine::new(args.model.open_with_heads()?, options)?;
        source.system = Some(engine.model().manifest().name.clone());
        process(&engine, &recordings, args.quiet)?
    };
    let inputs = DiarizationInputs { reference: truth, scored, hypothesis, missing_is_silence: hyp.is_some() };
    let report = DiarizationReport::new(source, &inputs);
    if !args.quiet {
        report.warnings.iter().try_for_each(|warning| writeln!(err, "persona-engine: warning: {warning}"))?;
    }
    write_text(out, &report)?;
    out.flush()?;
    args.write_json(&report)?;
    Ok(true)
}

/// The recordings by their names without ending.
fn named_recordings<'a>(files: &'a [PathBuf], reference: &Annotations) -> Result<Vec<(String, &'a Path)>> {
    if files.is_empty() {
        return Err(Error::usage(
            "--rttm needs something to compare: recordings, or --hyp with what was found in them",
        ));
    }
    let mut named: Vec<(String, &Path)> = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if named.iter().any(|(other, _)| *other == name) {
            return Err(Error::usage(format!("two recordings are named `{name}`: give each only once")));
        }
        if !reference.contains_key(&name) {
            let first = reference.keys().next().map_or("", |name| name);
            return Err(Error::usage(format!(
                "{}: the reference has no recording `{name}`; it has, for instance, `{first}`",
                file.display()
            )));
        }
        named.push((name, file));
    }
    Ok(named)
}

/// What the engine finds in the recordings.
fn process(engine: &Engine, recordings: &[(String, &Path)], quiet: bool) -> Result<Annotations> {
    let shows_progress = !quiet && io::stderr().is_terminal();
    let mut found = Annotations::new();
    for (done, (name, file)) in recordings.iter().enumerate() {
        if shows_progress {
            // Failing to show progress must not fail the evaluation.
            let _ = write!(io::stderr(), "\r{done} of {} recordings\r", recordings.len());
        }
        found.insert(name.clone(), annotation(&engine.infer(Recording::file(*file))?));
    }
    Ok(found)
}

/// The turns of a report.
fn annotation(report: &Report) -> Annotation {
    let mut turns = Vec::new();
    for voice in &report.voices {
        let Some(speaker) = voice.speaker else { continue };
        turns.extend(voice.turns.iter().flatten().map(|turn| (speaker.to_string(), turn.start_s, turn.end_s)));
    }
    Annotation::of(turns.iter().map(|(speaker, start_s, end_s)| (&**speaker, *start_s, *end_s)))
}
