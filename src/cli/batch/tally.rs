//! What came of the inputs, counted from the lines of the output: those just written and those of an earlier run alike.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

/// Counts of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Inputs with an answer.
    pub(super) answered: u64,
    /// Inputs without one, by the reason that they give.
    pub(super) no_answer: BTreeMap<String, u64>,
    /// Inputs that failed, by what was wrong with them.
    pub(super) failed: BTreeMap<String, u64>,
    /// Seconds of audio in all that did not fail.
    pub(super) audio_s: f64,
}

/// What is read of a line to count it.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    /// The input's name.
    pub(super) file: String,
    /// What was wrong with it.
    #[serde(default)]
    pub(super) error: Option<String>,
    /// The kind of that.
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    no_answer: Option<NoAnswer>,
    /// Seconds of audio.
    #[serde(default)]
    pub(super) duration_s: f64,
}

#[derive(Debug, Deserialize)]
struct NoAnswer {
    reason: String,
}

impl Tally {
    /// Counts one line.
    pub(super) fn add(&mut self, line: &Line) {
        self.audio_s += line.duration_s;
        if line.error.is_some() {
            let reason = line.reason.clone().unwrap_or_else(|| "other".to_owned());
            *self.failed.entry(reason).or_default() += 1;
        } else if let Some(NoAnswer { reason }) = &line.no_answer {
            *self.no_answer.entry(reason.clone()).or_default() += 1;
        } else {
            self.answered += 1;
        }
    }

    /// Inputs that failed.
    pub(super) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// All inputs that were counted.
    pub(super) fn all(&self) -> u64 {
        self.answered + self.no_answer.values().sum::<u64>() + self.failures()
    }

    /// For people: a line of sums, then the reasons, the commonest first.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let unanswered = self.no_answer.values().sum();
        writeln!(
            out,
            "persona-engine: {} inputs: {} answered, {} without an answer, {} failed",
            thousands(self.all()),
            thousands(self.answered),
            thousands(unanswered),
            thousands(self.failures())
        )?;
        for (what, counts) in [("no answer", &self.no_answer), ("failed", &self.failed)] {
            if !counts.is_empty() {
                writeln!(out, "  {what:<9}  {}", by_frequency(counts))?;
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

/// `1,234,567`
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_by_what_they_say() {
        let mut tally = Tally::default();
        for line in [
            r#"{"file":"a","duration_s":2.5,"emotion":{"label":"anger"},"no_answer":null}"#,
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
        let expected = "persona-engine: 5 inputs: 1 answered, 1 without an answer, 3 failed\n  no answer  silence 1\n  failed     \
                        not_found 2, malformed 1\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn large_numbers_can_be_read() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
