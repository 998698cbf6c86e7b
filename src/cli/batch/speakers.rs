//! Baselines of the speakers that a column of the manifests names: that of a recording is made from
//! the speaker's other recordings.

use std::collections::BTreeMap;

use persona_engine::engine::{Engine, NoControl, Options, SpeakerBaseline, SpeakerVectors};
use persona_engine::{Error, Result};

use super::input::Input;
use super::order;

/// Limit of the memory for vectors, bytes.
const MAX_BYTES: usize = 2 << 30;
/// Bytes of a value of a vector: a sum and a sum of squares.
const BYTES_PER_VALUE: usize = 16;

/// The vectors of each input, and of each speaker.
#[derive(Debug)]
pub(super) struct Speakers {
    /// The speaker of each input, and the vectors of its recording; `None` without a speaker.
    inputs: Vec<Option<(usize, SpeakerVectors)>>,
    /// All vectors of each speaker.
    speakers: Vec<SpeakerVectors>,
}

impl Speakers {
    /// Processes all inputs whose row names a speaker, `jobs` at a time. An input that fails has no
    /// vectors; its error is reported in its turn.
    ///
    /// # Errors
    /// [`Error::Usage`] for an input whose row lacks the column, or that has no row, and for a model
    /// without a baseline; [`Error::Limit`] for more vectors than the memory may hold.
    pub(super) fn new(engine: &Engine, inputs: &[Input], column: &str, jobs: usize) -> Result<Self> {
        engine.speaker_baseline(&SpeakerVectors::default())?;
        let (names, mut numbers) = (names(inputs, column)?, BTreeMap::new());
        let named = names.iter().flatten().count();
        let (actual, limit) = (named.saturating_mul(engine.model().dim() * BYTES_PER_VALUE), MAX_BYTES as u64);
        if actual > MAX_BYTES {
            let what = "bytes for the vectors of the speakers' recordings (run a part of the speakers at a time)";
            return Err(Error::Limit { what, actual: actual as u64, limit });
        }
        let summing = engine.with_options(Options { vectors: true, ..engine.options().clone() })?;
        let mut all = Self { inputs: Vec::with_capacity(inputs.len()), speakers: Vec::new() };
        let work = |number: usize| names[number].map(|_| vectors(&summing, &inputs[number]));
        let consume = |of_input: Option<SpeakerVectors>| {
            let number = all.inputs.len();
            all.inputs.push(of_input.zip(names[number]).map(|(vectors, name)| {
                let speaker = *numbers.entry(name).or_insert(all.speakers.len());
                if speaker == all.speakers.len() {
                    all.speakers.push(SpeakerVectors::default());
                }
                all.speakers[speaker].merge(&vectors);
                (speaker, vectors)
            }));
            Ok::<(), Error>(())
        };
        order::in_order(0..inputs.len(), jobs, work, |_| 1, consume)?;
        Ok(all)
    }

    /// The baseline of an input: that of the speaker's other recordings.
    ///
    /// # Errors
    /// Those of [`Engine::speaker_baseline`].
    pub(super) fn baseline(&self, engine: &Engine, number: usize) -> Result<Option<SpeakerBaseline>> {
        let Some((speaker, own)) = self.inputs.get(number).and_then(Option::as_ref) else { return Ok(None) };
        engine.speaker_baseline(&self.speakers[*speaker].without(own)).map(Some)
    }
}

/// The speaker of each input; `None` for an empty field.
fn names<'i>(inputs: &'i [Input], column: &str) -> Result<Vec<Option<&'i str>>> {
    let name = |input: &'i Input| {
        let row = input.row.as_ref().ok_or_else(|| {
            let what = format!("--speaker-column {column}: `{}` does not come from a manifest", input.name());
            Error::usage(format!("{what}; give a table with the columns `file` and `{column}`"))
        })?;
        let field = row.iter().find(|(name, _)| *name == column).map(|(_, value)| value.trim());
        let field = field.ok_or_else(|| {
            let columns: Vec<&str> = row.iter().map(|(name, _)| name).collect();
            Error::usage(format!("--speaker-column {column}: no such column; available: {}", columns.join(", ")))
        })?;
        Ok(Some(field).filter(|field| !field.is_empty()))
    };
    inputs.iter().map(name).collect()
}

fn vectors(engine: &Engine, input: &Input) -> SpeakerVectors {
    let report = input.open(false).0.and_then(|opened| match input.span {
        None => engine.infer(opened),
        Some(span) => {
            let lost = || Err(Error::Internal("a segment was not processed".into()));
            engine.infer_spans(opened, &[span], &mut NoControl).pop().unwrap_or_else(lost)
        }
    });
    report.map_or_else(
        |_| SpeakerVectors::default(),
        |report| report.voices.into_iter().find_map(|voice| voice.vectors).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use persona_engine::lists::Row;

    fn input(file: &str, values: &[&str]) -> Input {
        let columns: Arc<[String]> = ["file", "who"].map(str::to_owned).into();
        Input { row: Some(Row::new(&columns, values.iter().copied())), ..Input::file(file) }
    }

    #[test]
    fn the_column_names_the_speaker_or_is_an_error() {
        let inputs = [input("a.wav", &["a.wav", "ann"]), input("b.wav", &["b.wav", "  "])];
        assert_eq!(names(&inputs, "who").unwrap(), [Some("ann"), None]);
        let message = names(&inputs, "speaker").unwrap_err().to_string();
        assert!(message.contains("no such column; available: file, who"), "{message}");
        let message = names(&[Input::file("c.wav")], "who").unwrap_err().to_string();
        assert!(message.contains("`c.wav` does not come from a manifest"), "{message}");
    }
}
