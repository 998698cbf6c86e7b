//! One input's line.

use std::panic::{AssertUnwindSafe, catch_unwind};

use persona_engine::Error;
use persona_engine::engine::{Engine, Failure, Timings};
use serde::Serialize;

use super::inputs::Input;
use crate::cli::audit;
use crate::cli::hear::{self, Heard};

/// What is made of one input.
#[derive(Debug)]
pub(super) struct Made {
    /// One JSON object, without a line break.
    pub(super) line: String,
    /// Its line for the audit log, if one is kept.
    pub(super) audit: Option<String>,
    /// What was wrong with the input.
    pub(super) error: Option<String>,
}

impl Made {
    /// Bytes that it holds.
    pub(super) fn bytes(&self) -> usize {
        self.line.len() + self.audit.as_ref().map_or(0, String::len)
    }
}

/// Predicts inputs, from any number of threads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answerer<'a> {
    pub(super) engine: &'a Engine,
    /// Whether the lines have times, which differ from run to run.
    pub(super) timings: bool,
    pub(super) audit: bool,
}

impl Answerer<'_> {
    /// Predicts one input. Whatever is wrong with it is in its line.
    pub(super) fn answer(&self, input: &Input) -> Made {
        let name = input.name();
        let heard = self.hear(input);
        let audit = self.audit.then(|| audit::entry(self.engine, &name, &heard));
        let (line, error) = match heard.answer {
            Ok(mut report) => {
                if !self.timings {
                    report.timings_ms = Timings::default();
                }
                (line(&report, input), None)
            }
            Err(error) => (line(&Failure::new(name, &error), input), Some(error.to_string())),
        };
        Made { line, audit, error }
    }

    /// A fault of the program in one file must not cost the thousands after it.
    fn hear(&self, input: &Input) -> Heard {
        let failed = |error: Error| Heard { answer: Err(error.in_file(&*input.file)), sha256: None };
        if let Some(why) = input.refused {
            return failed(Error::Unsupported(why.into()));
        }
        let broke_down = |_| failed(Error::Config("a fault of the program: please report it with this file".into()));
        catch_unwind(AssertUnwindSafe(|| hear::file(&input.file, self.audit, |recording| self.engine.infer(recording))))
            .unwrap_or_else(broke_down)
    }
}

/// The object in one line, the input's own columns behind the rest as `manifest`.
fn line(object: &impl Serialize, input: &Input) -> String {
    // Texts and numbers alone: nothing in it can fail.
    let line = serde_json::to_string(object).unwrap_or_default();
    match &input.own {
        None => line,
        Some(own) => format!("{},\"manifest\":{own}}}", line.strip_suffix('}').unwrap_or(&line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn own_columns_stand_behind_the_rest_in_their_order() {
        let mut input = Input::file("a.wav");
        assert_eq!(line(&json!({"file": "a.wav"}), &input), r#"{"file":"a.wav"}"#);
        input.own = Some(r#"{"z":"1","a":"2"}"#.into());
        assert_eq!(line(&json!({"file": "a.wav"}), &input), r#"{"file":"a.wav","manifest":{"z":"1","a":"2"}}"#);
    }
}
