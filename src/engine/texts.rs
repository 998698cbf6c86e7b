//! Texts for people that several interfaces show: reasons for a missing prediction, and the legal
//! notice.
//!
//! The command line, the pages and the exports take them from here, so each is written once.

use std::collections::BTreeMap;

use serde::Serialize;

use super::no_answer::NoAnswer;

/// What the EU AI Act asks of whoever uses the predictions. Lines of at most 80 columns, each ended
/// by a newline.
pub const LEGAL_NOTICE: &str = include_str!("law.txt");

/// The texts of one reason, see [`NoAnswer::texts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReasonTexts {
    /// Two or three words, for a place with little room: `too short`.
    pub brief: &'static str,
    /// A clause without capital and full stop: `the recording is silent`.
    pub sentence: &'static str,
    /// What the person may try: sentences.
    pub advice: &'static str,
}

impl NoAnswer {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::TooShort,
        Self::Silence,
        Self::NoSpeech,
        Self::Clipped,
        Self::TooNoisy,
        Self::LowConfidence,
        Self::Overlap,
        Self::Unfamiliar,
    ];

    /// The reason in words, short and long, with advice.
    pub const fn texts(self) -> ReasonTexts {
        let (brief, sentence, advice) = match self {
            Self::TooShort => {
                ("too short", "the recording is too short for a prediction", "Record at least three seconds of speech.")
            }
            Self::Silence => {
                ("silence", "the recording is silent", "Check that the right microphone is selected, and its level.")
            }
            Self::NoSpeech => (
                "no speech",
                "the recording contains no speech",
                "Noise, music and whispering give no prediction. Use a recording of somebody speaking aloud.",
            ),
            Self::Clipped => (
                "clipped",
                "the recording is clipped: its level is far too high",
                "Record again with a lower level, or further from the microphone.",
            ),
            Self::TooNoisy => (
                "too noisy",
                "the recording is too noisy: the speech is no louder than the noise",
                "Record closer to the speaker, or in a quieter place.",
            ),
            Self::LowConfidence => (
                "low confidence",
                "no label reaches the requested confidence, and an age alone is not reported",
                "A longer or clearer recording may help.",
            ),
            Self::Overlap => (
                "overlap",
                "other people speak at the same time",
                "A recording with a channel for each person keeps them apart.",
            ),
            Self::Unfamiliar => (
                "unfamiliar",
                "the voice or its recording is too unlike those that the model was trained on",
                "A recording of one voice near the microphone, without noise or effects, may help.",
            ),
        };
        ReasonTexts { brief, sentence, advice }
    }

    /// The reason in two or three words: `no speech`.
    pub const fn brief(self) -> &'static str {
        self.texts().brief
    }

    /// The reason as a clause: `the recording is silent`.
    pub const fn explain(self) -> &'static str {
        self.texts().sentence
    }
}

/// The texts of all reasons as a JSON object by [`NoAnswer::code`], for the script of a page.
pub fn reasons_json() -> String {
    let by_code: BTreeMap<&str, ReasonTexts> =
        NoAnswer::ALL.into_iter().map(|reason| (reason.code(), reason.texts())).collect();
    serde_json::to_string(&by_code).unwrap_or_default() // a map of texts always serialises
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_texts_under_its_code() {
        let json: serde_json::Value = serde_json::from_str(&reasons_json()).unwrap();
        assert_eq!(json.as_object().unwrap().len(), NoAnswer::ALL.len());
        for reason in NoAnswer::ALL {
            let texts = &json[reason.code()];
            assert_eq!(texts["brief"], reason.brief());
            assert_eq!(texts["sentence"], reason.explain());
            assert!(texts["advice"].as_str().is_some_and(|advice| advice.ends_with('.')), "{reason:?}");
        }
    }

    #[test]
    fn the_legal_notice_names_the_articles_and_fits_a_terminal() {
        let words: Vec<&str> = LEGAL_NOTICE.split_whitespace().collect();
        let text = words.join(" ");
        assert!(text.contains("article 5(1)(f)") && text.contains("article 50(3)"), "{text}");
        assert!(LEGAL_NOTICE.lines().all(|line| line.len() <= 80));
    }
}
