//! `persona-engine model list`

use std::io::{self, Write};

use persona_engine::Result;
use persona_engine::engine::{Catalogue, DEFAULT_MODEL, Entry, Measure, ModelHeader, Place, SCHEMA, Score};
use serde_json::{Value, json};

use super::Stop;
use super::args::{ListArgs, MODEL_VARIABLE, model_variable};

/// Prints all systems, broken ones with their reason. Always returns true: a broken file that nobody asked for is no failure.
pub(super) fn run(args: &ListArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<bool, Stop> {
    let catalogue = Catalogue::installed();
    for error in catalogue.unread() {
        writeln!(err, "persona-engine: warning: {error}")?;
    }
    if args.json {
        let systems: Vec<Value> = catalogue.entries().iter().map(as_json).collect();
        writeln!(out, "{}", json!({"schema": SCHEMA, "default": DEFAULT_MODEL, "systems": systems}))?;
    } else {
        write_table(out, &catalogue)?;
    }
    Ok(true)
}

fn as_json(entry: &Entry) -> Value {
    let path = match &entry.place {
        Place::Inside(_) => None,
        Place::File(path) => Some(path.to_string_lossy()),
    };
    let header = entry.header();
    let (header, error) = (header.as_ref().ok(), header.as_ref().err().map(ToString::to_string));
    json!({
        "name": entry.name,
        "default": is_default(entry),
        "hidden": entry.hidden,
        "place": if path.is_some() { "file" } else { "inside" },
        "path": path,
        "bytes": header.map(|h| h.bytes),
        "model": header.map(|h| &h.manifest.name),
        "sha256": header.map(|h| &h.manifest.sha256),
        "answers": header.map(|h| h.manifest.classifier.is_some()),
        "scores": header.and_then(headline).map(Score::headline),
        "error": error,
    })
}

fn write_table(out: &mut dyn Write, catalogue: &Catalogue) -> io::Result<()> {
    let entries = catalogue.entries();
    let width = entries.iter().map(|entry| shown(&entry.name).chars().count()).fold(8, usize::max);
    writeln!(out, "  {:<width$}  emotion %  gender %  age RMSE      size  sha256            where", "name")?;
    for entry in entries {
        let mark = if is_default(entry) { '▸' } else { ' ' };
        let row = entry.header().map_or_else(|error| format!("broken: {error}"), |header| row(&header, entry));
        writeln!(out, "{mark} {:<width$}  {}", shown(&entry.name), shown(&row))?;
    }
    writeln!(out)?;
    writeln!(out, "  ▸ answers when no --model is given. Scores: voices not heard before, mean over folds.")?;
    match model_variable() {
        Some(asked) => writeln!(out, "  {MODEL_VARIABLE} is set and asks for {}.", shown(&asked.to_string_lossy())),
        None => Ok(()),
    }
}

/// Scores, size, checksum and place of a sound file.
fn row(header: &ModelHeader, entry: &Entry) -> String {
    let score = headline(header);
    let cell = |measure: fn(&Score) -> Option<Measure>| {
        score.and_then(measure).map_or_else(|| "–".to_owned(), |measure| format!("{:.1}", measure.mean))
    };
    let (emotion, gender, age) = (cell(|s| s.emotion_accuracy), cell(|s| s.gender_accuracy), cell(|s| s.age_rmse));
    let megabytes = format!("{:.1} MB", header.bytes as f64 / 1e6);
    let sha256: String = header.manifest.sha256.chars().take(16).collect();
    let scores = match &header.manifest.classifier {
        Some(_) => format!("{emotion:>9}  {gender:>8}  {age:>8}"),
        None => format!("{:>29}", "no heads: for embed"),
    };
    format!("{scores}  {megabytes:>8}  {sha256:<16}  {}", place(entry))
}

fn place(entry: &Entry) -> String {
    let place = match &entry.place {
        Place::Inside(_) => "inside the program".to_owned(),
        Place::File(path) => path.display().to_string(),
    };
    if entry.hidden { format!("{place} (hidden by the one above: ask for it by this path)") } else { place }
}

/// The row to compare systems by: voices that the system was not trained on.
fn headline(header: &ModelHeader) -> Option<&Score> {
    header.manifest.scores().iter().find(|score| score.protocol == "fold_actor")
}

fn is_default(entry: &Entry) -> bool {
    entry.name == DEFAULT_MODEL && !entry.hidden
}

/// A file may have any name and say anything of itself: nothing of it steers the terminal.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_steer_the_terminal() {
        assert_eq!(shown("a\u{1b}[2Jb\nc\té"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}é");
    }

    #[test]
    fn a_hidden_entry_is_told_and_is_no_default() {
        let entry =
            |hidden| Entry { name: DEFAULT_MODEL.into(), place: Place::File("/m/x.safetensors".into()), hidden };
        assert!(place(&entry(true)).starts_with("/m/x.safetensors (hidden") && !is_default(&entry(true)));
        assert_eq!(place(&entry(false)), "/m/x.safetensors");
        assert!(is_default(&entry(false)));
    }
}
