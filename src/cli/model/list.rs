//! `persona-engine model list`

use std::io::{self, Write};

use clap::Args;
use persona_engine::engine::{Catalogue, DEFAULT_MODEL, Entry, Measure, ModelHeader, Place, SCHEMA, Score};
use serde_json::{Value, json};

use crate::cli::model_choice::{MODEL_VARIABLE, model_variable};
use crate::cli::stop::Stop;

#[derive(Args)]
#[command(after_help = FOLDERS)]
pub(crate) struct ListArgs {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const FOLDERS: &str = "\
Installed models are files *.safetensors in
  the folders of $PERSONA_MODELS (separated as in $PATH)
  persona-engine-models/ and weights/ next to the program
  $XDG_DATA_HOME/persona-engine (~/.local/share/persona-engine)
  /usr/share/persona-engine
If several have the same name, the first one is used.";

/// Prints all models. A broken file is listed with its error, which does not fail the command.
pub(super) fn run(args: &ListArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Stop> {
    let catalogue = Catalogue::installed();
    for error in catalogue.unread() {
        writeln!(err, "persona-engine: warning: {error}")?;
    }
    if args.json {
        let models: Vec<Value> = catalogue.entries().iter().map(as_json).collect();
        writeln!(out, "{}", json!({"schema": SCHEMA, "default": DEFAULT_MODEL, "systems": models}))?;
    } else {
        write_table(out, &catalogue)?;
    }
    Ok(())
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
    let width = entries.iter().map(|entry| printable(&entry.name).chars().count()).fold(8, usize::max);
    writeln!(out, "  {:<width$}  emotion %  gender %  age RMSE      size  sha256            where", "name")?;
    for entry in entries {
        let mark = if is_default(entry) { '▸' } else { ' ' };
        let row = entry.header().map_or_else(|error| format!("broken: {error}"), |header| row(&header, entry));
        writeln!(out, "{mark} {:<width$}  {}", printable(&entry.name), printable(&row))?;
    }
    writeln!(out)?;
    writeln!(out, "  ▸ is used if no --model is given. Scores: unseen speakers, mean over folds.")?;
    match model_variable() {
        Some(name) => writeln!(out, "  The variable {MODEL_VARIABLE} selects {}.", printable(&name.to_string_lossy())),
        None => Ok(()),
    }
}

/// Scores, size, checksum and location of a valid model file.
fn row(header: &ModelHeader, entry: &Entry) -> String {
    let score = headline(header);
    let cell = |measure: fn(&Score) -> Option<Measure>| {
        score.and_then(measure).map_or_else(|| "–".to_owned(), |measure| format!("{:.1}", measure.mean))
    };
    let (emotion, gender, age) = (cell(|s| s.emotion_accuracy), cell(|s| s.gender_accuracy), cell(|s| s.age_rmse));
    let megabytes = format!("{:.1} MB", header.bytes as f64 / 1e6);
    let sha256: String = header.manifest.sha256.chars().take(16).collect();
    let scores = match header.manifest.classifier {
        Some(_) => format!("{emotion:>9}  {gender:>8}  {age:>8}"),
        None => format!("{:>29}", "no heads, for `embed`"),
    };
    format!("{scores}  {megabytes:>8}  {sha256:<16}  {}", place(entry))
}

fn place(entry: &Entry) -> String {
    let place = match &entry.place {
        Place::Inside(_) => "inside the program".to_owned(),
        Place::File(path) => path.display().to_string(),
    };
    if entry.hidden { format!("{place} (hidden by the one above; use its path)") } else { place }
}

/// The score to compare models by: on unseen speakers.
fn headline(header: &ModelHeader) -> Option<&Score> {
    header.manifest.scores().iter().find(|score| score.protocol == "fold_actor")
}

fn is_default(entry: &Entry) -> bool {
    entry.name == DEFAULT_MODEL && !entry.hidden
}

/// Replaces control characters: a file may have any name and contain any text, and none may steer
/// the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(printable("a\u{1b}[2Jb\nc\té"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}é");
    }

    #[test]
    fn a_hidden_entry_is_marked_and_is_not_the_default() {
        let entry =
            |hidden| Entry { name: DEFAULT_MODEL.into(), place: Place::File("/m/x.safetensors".into()), hidden };
        assert!(place(&entry(true)).starts_with("/m/x.safetensors (hidden") && !is_default(&entry(true)));
        assert_eq!(place(&entry(false)), "/m/x.safetensors");
        assert!(is_default(&entry(false)));
    }
}
