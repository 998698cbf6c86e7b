//! `persona-engine adapt MODEL RECORDING... -o OUT.safetensors`

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{fs, slice};

use clap::Args;
use persona_engine::engine::{Engine, LoadOptions, Model, Options, Recording, SpeakerVectors, adapted, unadapted};
use persona_engine::import::write_atomically;
use persona_engine::{Error, Result};

use super::batch;
use super::model::output_path;
use super::stop::Stop;

/// The fewest recordings with a prediction.
const MIN_RECORDINGS: usize = 100;
/// Share of the recordings with one emotion, above which the moods count as skewed.
const MAX_SHARE: f64 = 0.6;

#[derive(Args)]
#[command(after_help = NOTES)]
pub(super) struct AdaptArgs {
    /// Model file with heads.
    #[arg(value_name = "MODEL.safetensors")]
    model: PathBuf,
    /// At least 100 recordings of many speakers in mixed moods, as `batch` takes them: files,
    /// folders, patterns, manifests. No labels are needed.
    #[arg(value_name = "RECORDING", required_unless_present = "undo", conflicts_with = "undo")]
    recordings: Vec<OsString>,
    /// Model file to write.
    #[arg(long, short, value_name = "OUT.safetensors")]
    output: PathBuf,
    /// Write the model as it was before it was adapted.
    #[arg(long)]
    undo: bool,
    /// The moods of the recordings are mixed, even if most get the same emotion. Otherwise such
    /// recordings are refused.
    #[arg(long)]
    mixed_moods: bool,
    /// Threads for the front-end and the network.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// Replace the output if it exists.
    #[arg(long)]
    force: bool,
}

const NOTES: &str = "\
Microphones, rooms, languages and codecs shift what a network computes. `adapt` measures mean and spread of the network's vectors over your \
recordings and moves them to where those of the training corpus lie, the closer the more recordings there are (half of the way with 100 chunks \
of 3 s). It learns nothing from labels. Its effect is printed; the scores of the model were measured before, so measure yours: `persona-engine \
eval`. The header states what was done, and `--undo` takes it back.

If all recordings were of one mood, that mood would become the middle of all, and be predicted no more: where one emotion is predicted for more \
than 60 % of the recordings, state --mixed-moods if you know better.

Examples:
  persona-engine adapt campplus-fcn.safetensors calls/ -o mine.safetensors
  persona-engine infer call.wav --model mine.safetensors
  persona-engine adapt mine.safetensors --undo -o campplus-fcn.safetensors";

/// Adapts a model file, or undoes it.
pub(super) fn run(args: &AdaptArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Stop> {
    output_path::check(slice::from_ref(&args.model), &args.output, args.force)?;
    let bytes = fs::read(&args.model).map_err(|error| Error::Read(error).in_file(&args.model))?;
    let in_model = |error: Error| error.in_file(&args.model);
    if args.undo {
        write(&args.output, &unadapted(&bytes).map_err(in_model)?)?;
        writeln!(err, "persona-engine: wrote {}, as it was before it was adapted", args.output.display())?;
        return Ok(());
    }
    let paths = batch::recordings(&args.recordings)?;
    let engine = engine(&bytes, args.threads).map_err(in_model)?;
    let before = Outcome::of(&engine, &paths, Some(&mut *err))?;
    before.check(args.mixed_moods)?;
    let file = adapted(&bytes, &before.vectors, before.emotions.len()).map_err(in_model)?;
    let after = Outcome::of(&self::engine(&file, args.threads)?, &paths, None)?;
    write_effect(out, &before, &after)?;
    write(&args.output, &file)?;
    writeln!(err, "persona-engine: wrote {}", args.output.display())?;
    Ok(())
}

fn engine(bytes: &[u8], threads: u16) -> Result<Engine> {
    let model = Model::from_bytes(bytes, LoadOptions::default())?;
    model.require_classifier()?;
    Engine::new(model, Options { vectors: true, threads: usize::from(threads), ..Options::default() })
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, |out| Ok(out.write_all(bytes)?))
}

/// What a model predicts for the recordings.
#[derive(Debug, Default)]
struct Outcome {
    vectors: SpeakerVectors,
    /// Emotion and its probability of each recording that has one, by its number.
    emotions: BTreeMap<usize, (String, f64)>,
    /// Sum of the distances to the training domain; `None` for a model without one.
    distances: Option<f64>,
}

impl Outcome {
    /// Predicts all recordings. Failures are written to `err`, if it is given.
    fn of(engine: &Engine, paths: &[PathBuf], mut err: Option<&mut dyn Write>) -> Result<Self, Stop> {
        let mut outcome = Self::default();
        for (number, path) in paths.iter().enumerate() {
            let report = match engine.infer(Recording::file(path)) {
                Ok(report) => report,
                Err(error) => {
                    if let Some(err) = &mut err {
                        writeln!(err, "persona-engine: {error}")?;
                    }
                    continue;
                }
            };
            let Some(voice) = report.voices.into_iter().next() else { continue };
            let (Some(emotion), Some(vectors)) = (voice.predictions.emotion, voice.vectors) else { continue };
            outcome.vectors.merge(&vectors);
            outcome.emotions.insert(number, (emotion.label.clone(), emotion.probability()));
            if let Some(familiarity) = voice.familiarity {
                *outcome.distances.get_or_insert_default() += familiarity.distance;
            }
        }
        Ok(outcome)
    }

    /// Refuses too few recordings, and those of one mood.
    fn check(&self, mixed_moods: bool) -> Result<()> {
        let count = self.emotions.len();
        if count < MIN_RECORDINGS {
            let what = format!("{count} recordings have a prediction; at least {MIN_RECORDINGS} are needed");
            return Err(Error::usage(format!("adapt: {what}, of many speakers")));
        }
        let shares = self.shares();
        let most = shares.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
        match most.filter(|(_, share)| *share > MAX_SHARE && !mixed_moods) {
            None => Ok(()),
            Some((label, share)) => Err(Error::usage(format!(
                "adapt: {:.0} % of the recordings are predicted as `{label}`; of one mood alone, it would become the \
                 middle of all moods. If their moods are mixed, state that (--mixed-moods)",
                100.0 * share
            ))),
        }
    }

    /// Share of the recordings by emotion.
    fn shares(&self) -> BTreeMap<&str, f64> {
        let mut shares = BTreeMap::new();
        for (label, _) in self.emotions.values() {
            *shares.entry(label.as_str()).or_insert(0.0) += 1.0 / self.emotions.len() as f64;
        }
        shares
    }

    fn mean_confidence(&self) -> f64 {
        self.emotions.values().map(|(_, probability)| probability).sum::<f64>() / self.emotions.len().max(1) as f64
    }
}

/// Writes distance, confidence and shares of the emotions before and after.
fn write_effect(out: &mut dyn Write, before: &Outcome, after: &Outcome) -> io::Result<()> {
    writeln!(out, "  {:<34}{:>9}{:>9}", format!("{} recordings", before.emotions.len()), "before", "after")?;
    let squares = [before, after].map(|outcome| outcome.vectors.mean_square());
    writeln!(out, "  {:<34}{:>9.2}{:>9.2}", "mean square of the vectors", squares[0], squares[1])?;
    if let (Some(from), Some(to)) = (before.distances, after.distances) {
        let mean = |sum: f64, outcome: &Outcome| sum / outcome.emotions.len().max(1) as f64;
        let (from, to) = (mean(from, before), mean(to, after));
        writeln!(out, "  {:<34}{from:>9.2}{to:>9.2}", "distance to the training domain")?;
    }
    let confidence = [before, after].map(|outcome| 100.0 * outcome.mean_confidence());
    writeln!(out, "  {:<34}{:>9.1}{:>9.1}", "mean confidence in emotion, %", confidence[0], confidence[1])?;
    let (from, to) = (before.shares(), after.shares());
    let labels: BTreeSet<&str> = from.keys().chain(to.keys()).copied().collect();
    for label in labels {
        let share = |shares: &BTreeMap<&str, f64>| 100.0 * shares.get(label).copied().unwrap_or(0.0);
        writeln!(out, "  {:<34}{:>9.1}{:>9.1}", format!("{label}, %"), share(&from), share(&to))?;
    }
    let both = before.emotions.iter().filter_map(|(number, old)| Some((&old.0, &after.emotions.get(number)?.0)));
    let changed = both.filter(|(old, new)| old != new).count();
    let share = 100.0 * changed as f64 / before.emotions.len().max(1) as f64;
    writeln!(out, "  {:<34}{:>18.1}", "recordings with another emotion, %", share)
}
