//! The baseline of the speaker, from other recordings of the same voice: those of `--baseline`, or
//! with `--same-speaker` all other recordings.

use std::path::Path;

use persona_engine::engine::{Engine, Options, Recording, SpeakerVectors};
use persona_engine::{Error, Result};

use super::args::InferArgs;
use crate::cli::input::is_stdin;

/// The vectors from which baselines are made.
pub(super) enum Baselines {
    /// No baseline is wanted.
    None,
    /// That of all recordings.
    Shared(SpeakerVectors),
    /// Of each recording in turn, and of all together: a recording's baseline is that of the others.
    Others { each: Vec<SpeakerVectors>, all: SpeakerVectors },
}

impl Baselines {
    /// Reads the recordings that the arguments name.
    ///
    /// # Errors
    /// A recording of `--baseline` that cannot be read; standard input, or a single recording, with
    /// `--same-speaker`; a model without a baseline.
    pub(super) fn new(args: &InferArgs, engine: &Engine) -> Result<Self> {
        if args.baseline.is_empty() && !args.same_speaker {
            return Ok(Self::None);
        }
        // a model without a baseline is an error before any recording is read
        engine.speaker_baseline(&SpeakerVectors::default())?;
        let summing = Options { vectors: true, timeline: None, ..engine.options().clone() };
        let summing = engine.with_options(summing)?;
        if !args.same_speaker {
            let mut all = SpeakerVectors::default();
            for file in &args.baseline {
                all.merge(&vectors(&summing, file)?);
            }
            return Ok(Self::Shared(all));
        }
        if args.files.len() < 2 {
            let what = "--same-speaker needs two recordings or more: each has the baseline of the others; \
                        --baseline FILE names others for one recording";
            return Err(Error::usage(what));
        }
        if args.files.iter().any(|file| is_stdin(file)) {
            return Err(Error::usage(
                "--same-speaker reads each recording twice, standard input only once: name a file",
            ));
        }
        // a recording that fails has no vectors, and its error is reported in its turn
        let each: Vec<SpeakerVectors> =
            args.files.iter().map(|file| vectors(&summing, file).unwrap_or_default()).collect();
        let mut all = SpeakerVectors::default();
        for vectors in &each {
            all.merge(vectors);
        }
        Ok(Self::Others { each, all })
    }

    /// The engine for the recording of this number.
    pub(super) fn engine(&self, engine: &Engine, index: usize) -> Result<Engine> {
        let vectors = match self {
            Self::None => return engine.with_options(engine.options().clone()),
            Self::Shared(all) => all.clone(),
            Self::Others { each, all } => each.get(index).map_or_else(|| all.clone(), |own| all.without(own)),
        };
        let baseline = Some(engine.speaker_baseline(&vectors)?);
        engine.with_options(Options { baseline, ..engine.options().clone() })
    }
}

/// The sums over the vectors of a recording.
fn vectors(engine: &Engine, file: &Path) -> Result<SpeakerVectors> {
    let report = engine.infer(Recording::file(file))?;
    Ok(report.voices.into_iter().find_map(|voice| voice.vectors).unwrap_or_default())
}
