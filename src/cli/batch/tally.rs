//! Counts of a run: inputs with a prediction, without one, and failed ones.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::record::Record;
use crate::cli::numbers::thousands;

/// Counts of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Inputs with a prediction.
    pub(super) answered: u64,
    /// Inputs without one, by reason code.
    pub(super) no_answer: BTreeMap<String, u64>,
    /// Failed inputs, by reason code.
    pub(super) failed: BTreeMap<String, u64>,
    /// Seconds of audio of the inputs that did not fail.
    pub(super) audio_s: f64,
}

impl Tally {
    /// Counts one input.
    pub(super) fn add(&mut self, record: &Record) {
        self.audio_s += record.duration_s.unwrap_or(0.0);
        if record.error.is_some() {
            let reason = record.reason.as_deref().unwrap_or("other").to_owned();
            *self.failed.entry(reason).or_default() += 1;
        } else if let Some(reason) = record.no_answer {
            *self.no_answer.entry(reason.code().to_owned()).or_default() += 1;
        } else {
            self.answered += 1;
        }
    }

    /// Number of failed inputs.
    pub(super) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Number of all counted inputs.
    pub(super) fn all(&self) -> u64 {
        self.answered + self.no_answer.values().sum::<u64>() + self.failures()
    }

    /// Writes a line of totals, then the reasons, most frequent first.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let unanswered = self.no_answer.values().sum();
        writeln!(
            out,
            "persona-engine: {} inputs: {} with a prediction, {} without, {} failed",
            thousands(self.all()),
            thousands(self.answered),
            thousands(unanswered),
            thousands(self.failures())
        )?;
        for (what, counts) in [("no prediction", &self.no_answer), ("failed", &self.failed)] {
            if !counts.is_empty() {
                writeln!(out, "  {what:<13}  {}", by_frequency(counts))?;
            }
        }
        Ok(())
    }
}

/// `silence 30, no_speech 2`
fn by_frequency(counts: &BTreeMap<String, u64>) -> String {
    let mut pairs: Vec<_> = counts.iter().collect();
    pairs.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let text: Vec<String> =
        pairs.into_iter().map(|(reason, count)| format!("{reason} {}", thousands(*count))).collect();
    text.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_counted_by_outcome() {
        let mut tally = Tally::default();
        for line in [
            r#"{"file":"a","duration_s":2.5,"emotion":{"label":"anger","probabilities":{"anger":1.0}},"no_answer":null}"#,
            r#"{"file":"b","duration_s":1.5,"emotion":null,"no_answer":{"reason":"silence"}}"#,
            r#"{"file":"c","error":"no","reason":"malformed"}"#,
            r#"{"file":"d","error":"no","reason":"not_found"}"#,
            r#"{"file":"e","error":"no","reason":"not_found"}"#,
        ] {
            tally.add(&serde_json::from_str(line).unwrap());
        }
        assert_eq!((tally.answered, tally.failures(), tally.all(), tally.audio_s), (1, 3, 5, 4.0));
        let mut text = Vec::new();
        tally.write(&mut text).unwrap();
        let expected = "persona-engine: 5 inputs: 1 with a prediction, 1 without, 3 failed\n  no prediction  silence 1\n  failed         \
                        not_found 2, malformed 1\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
