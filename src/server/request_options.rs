//! Options of a request: query parameters, or parts of a form before its file.

use axum::extract::Query;
use axum::http::Uri;

use super::problem::Problem;
use crate::engine::{ActiveHeads, Options, SpeakerVectors, Speakers, Timeline};
use crate::error::Error;

/// Maximum length of an option's value in bytes.
const MAX_VALUE_BYTES: usize = 1024;
/// Maximum length of `baseline` in bytes: two numbers of 20 digits for each value of a vector.
const MAX_BASELINE_BYTES: usize = 1 << 20;
/// Characters of a file name that are kept.
const MAX_NAME_CHARACTERS: usize = 255;

/// Names of all options.
pub(super) const OPTIONS: &[&str] = &[
    "model",
    "heads",
    "min_confidence",
    "min_familiarity",
    "timeline",
    "per_channel",
    "speakers",
    "activity",
    "accept_truncated",
    "vectors",
    "baseline",
];

/// Options of a request, each set at most once.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct RequestOptions {
    /// Name of the model; `None` is the default.
    pub(super) model: Option<String>,
    heads: Option<ActiveHeads>,
    min_confidence: Option<f64>,
    min_familiarity: Option<f64>,
    timeline: Option<bool>,
    per_channel: Option<bool>,
    speakers: Option<SpeakerChoice>,
    accept_truncated: Option<bool>,
    activity: Option<bool>,
    vectors: Option<bool>,
    /// Sums over the vectors of the speaker's other recordings.
    pub(super) baseline: Option<SpeakerVectors>,
}

/// Maximum length of an option's value in bytes.
pub(super) fn max_bytes(name: &str) -> usize {
    if name == "baseline" { MAX_BASELINE_BYTES } else { MAX_VALUE_BYTES }
}

impl RequestOptions {
    /// # Errors
    /// 400 `bad_option` for options that are unknown, repeated or invalid.
    pub(super) fn from_query(uri: &Uri) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| bad_option(format!("the query cannot be parsed: {error}")))?;
        let mut options = Self::default();
        pairs.0.iter().try_for_each(|(name, value)| options.set(name, value))?;
        Ok(options)
    }

    /// Sets one option.
    ///
    /// # Errors
    /// As [`RequestOptions::from_query`].
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        match name {
            "model" => set_once(&mut self.model, name, value.to_owned()),
            "heads" => set_once(&mut self.heads, name, heads(value)?),
            "min_confidence" => set_once(&mut self.min_confidence, name, fraction(name, value)?),
            "min_familiarity" => set_once(&mut self.min_familiarity, name, fraction(name, value)?),
            "timeline" => set_once(&mut self.timeline, name, boolean(name, value)?),
            "per_channel" => set_once(&mut self.per_channel, name, boolean(name, value)?),
            "speakers" => set_once(&mut self.speakers, name, speakers(value)?),
            "accept_truncated" => set_once(&mut self.accept_truncated, name, boolean(name, value)?),
            "activity" => set_once(&mut self.activity, name, boolean(name, value)?),
            "vectors" => set_once(&mut self.vectors, name, boolean(name, value)?),
            "baseline" => set_once(&mut self.baseline, name, vectors(name, value)?),
            _ => Err(bad_option(format!("unknown option `{}`; available: {}", excerpt(name), OPTIONS.join(", ")))),
        }
    }

    /// The engine's options, with those of the request in their place.
    ///
    /// # Errors
    /// 400 for a head that is disabled on this server: its operator may not be allowed to use it.
    pub(super) fn apply(&self, engine: &Options) -> Result<Options, Problem> {
        let mut options = engine.clone();
        options.heads = self.heads.unwrap_or(options.heads);
        if let Some(off) = options.heads.names().find(|name| engine.heads.names().all(|on| on != *name)) {
            return Err(bad_option(format!("`heads` contains {off}, which is switched off on this server")));
        }
        options.min_confidence = self.min_confidence.unwrap_or(options.min_confidence);
        options.min_familiarity = self.min_familiarity.unwrap_or(options.min_familiarity);
        options.per_channel = self.per_channel.unwrap_or(options.per_channel);
        options.timeline = (self.timeline == Some(true)).then(Timeline::default);
        options.vectors = self.vectors.unwrap_or(options.vectors);
        options.speakers = self.speakers.and_then(|choice| choice.0);
        if options.speakers.is_some() && options.timeline.is_some() {
            return Err(bad_option(
                "`speakers` and `timeline`: turns take the place of a timeline; set one of the two",
            ));
        }
        options.activity = self.activity.unwrap_or(options.activity);
        options.limits.accept_truncated = self.accept_truncated.unwrap_or(options.limits.accept_truncated);
        Ok(options)
    }
}

fn bad_option(detail: impl Into<String>) -> Problem {
    Problem::bad_request("bad_option", detail)
}

fn set_once<T>(option: &mut Option<T>, name: &str, value: T) -> Result<(), Problem> {
    match option.replace(value) {
        None => Ok(()),
        Some(_) => Err(bad_option(format!("`{name}` is set twice"))),
    }
}

fn boolean(name: &str, value: &str) -> Result<bool, Problem> {
    match value {
        "" | "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        _ => Err(bad_option(format!("`{name}` is `{}`; expected true or false", excerpt(value)))),
    }
}

/// Names of heads, separated by commas.
fn heads(value: &str) -> Result<ActiveHeads, Problem> {
    let mut heads = ActiveHeads { emotion: false, gender: false, age: false };
    for name in value.split(',').map(str::trim) {
        match name {
            "emotion" => heads.emotion = true,
            "gender" => heads.gender = true,
            "age" => heads.age = true,
            _ => return Err(bad_option(format!("unknown head `{}`; available: emotion, gender, age", excerpt(name)))),
        }
    }
    Ok(heads)
}

/// How many speakers to tell apart; `None`: not at all.
#[derive(Debug, Clone, Copy, PartialEq)]
struct SpeakerChoice(Option<Speakers>);

/// A number of speakers, or `false`.
fn speakers(value: &str) -> Result<SpeakerChoice, Problem> {
    match boolean("speakers", value) {
        Ok(wanted) if value != "1" && value != "0" => Ok(SpeakerChoice(wanted.then(Speakers::default))),
        _ => value
            .parse()
            .map(|number| SpeakerChoice(Some(number)))
            .map_err(|error: Error| bad_option(error.to_string())),
    }
}

fn fraction(name: &str, value: &str) -> Result<f64, Problem> {
    let fraction = value.parse().ok().filter(|fraction| (0.0..=1.0).contains(fraction));
    fraction.ok_or_else(|| bad_option(format!("`{name}` is `{}`; expected a number from 0 to 1", excerpt(value))))
}

/// The `vectors` of earlier responses, of one recording or added.
fn vectors(name: &str, value: &str) -> Result<SpeakerVectors, Problem> {
    serde_json::from_str(value)
        .map_err(|error| bad_option(format!("`{name}` is not the object `vectors` of a response: {error}")))
}

/// The start of a client's text, for messages.
fn excerpt(text: &str) -> String {
    printable(text).chars().take(64).collect()
}

/// A client's text (a file name, for one) without control characters, cut off at 255 characters.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(MAX_NAME_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<RequestOptions, Problem> {
        RequestOptions::from_query(&format!("/v1/predict?{query}").parse().unwrap())
    }

    #[test]
    fn options_replace_those_of_the_engine() {
        let request =
            parse("timeline=true&per_channel=&model=xvector-cnn&min_confidence=0.6&min_familiarity=0.5&activity=false&accept_truncated")
                .unwrap();
        assert_eq!((request.model.as_deref(), request.per_channel), (Some("xvector-cnn"), Some(true)));
        let options = request.apply(&Options::default()).unwrap();
        assert_eq!((options.min_confidence, options.activity, options.limits.accept_truncated), (0.6, false, true));
        assert_eq!(options.min_familiarity, 0.5);
        assert_eq!(options.timeline, Some(Timeline::default()));
        let two = parse("heads=age,%20emotion").unwrap().apply(&Options::default()).unwrap();
        assert_eq!(two.heads, ActiveHeads { emotion: true, gender: false, age: true });
        let no_age = Options { heads: ActiveHeads { age: false, ..ActiveHeads::ALL }, ..Options::default() };
        assert!(parse("heads=age").unwrap().apply(&no_age).unwrap_err().detail.contains("age, which is switched off"));
        for (query, expected) in [
            ("speakers", Some(Speakers::default())),
            ("speakers=auto", Some(Speakers::default())),
            ("speakers=1", Some(Speakers::exactly(1))),
            ("speakers=2..4", Some(Speakers { min: 2, max: 4 })),
            ("speakers=false", None),
            ("", None),
        ] {
            assert_eq!(parse(query).unwrap().apply(&Options::default()).unwrap().speakers, expected, "{query}");
        }
        let both = parse("speakers=2&timeline=true").unwrap().apply(&Options::default()).unwrap_err();
        assert!(both.detail.contains("turns take the place of a timeline"), "{}", both.detail);
        let kept = parse("").unwrap().apply(&Options { min_confidence: 0.3, ..Options::default() }).unwrap();
        assert_eq!((kept.min_confidence, kept.activity), (0.3, true));
    }

    #[test]
    fn errors_name_the_option_and_its_value() {
        for (query, words) in [
            ("modle=x", "unknown option `modle`"),
            ("model=a&model=b", "`model` is set twice"),
            ("min_confidence=1.1", "`1.1`; expected a number from 0 to 1"),
            ("min_confidence=NaN", "`NaN`"),
            ("baseline={}", "`baseline` is not the object `vectors` of a response"),
            ("min_familiarity=2", "`min_familiarity` is `2`; expected a number from 0 to 1"),
            ("heads=emotion,hair", "`hair`; available: emotion, gender, age"),
            ("speakers=0", "speakers: 0 to 0 is not a range"),
            ("speakers=two", "speakers: `two` is neither"),
            ("heads=", "head ``"),
            ("activity=perhaps", "`perhaps`; expected true or false"),
            ("a%00b=1", "`a\u{fffd}b`"),
        ] {
            let problem = parse(query).unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.reason), (400, "bad_option"));
            assert!(problem.detail.contains(words), "{query}: {}", problem.detail);
        }
    }

    #[test]
    fn file_names_are_short_and_printable() {
        assert_eq!(printable("a\r\nb.wav"), "a\u{fffd}\u{fffd}b.wav");
        assert_eq!(printable(&"é".repeat(999)).chars().count(), MAX_NAME_CHARACTERS);
    }
}
