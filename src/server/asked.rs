//! What a request asks for, in its query or in parts of its form before the file.

use axum::extract::Query;
use axum::http::Uri;

use super::problem::Problem;
use crate::engine::{ActiveHeads, Options, Timeline};

/// Characters of an option's value.
pub(super) const VALUE_BYTES: usize = 1024;
/// Characters of a file's name that are kept.
const NAME_CHARACTERS: usize = 255;

/// Every option.
pub(super) const OPTIONS: &[&str] =
    &["model", "heads", "min_confidence", "timeline", "per_channel", "activity", "accept_truncated"];

/// The options of a request, each at most once.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Asked {
    /// The system; nothing asks for the default.
    pub(super) model: Option<String>,
    heads: Option<ActiveHeads>,
    min_confidence: Option<f64>,
    timeline: Option<bool>,
    per_channel: Option<bool>,
    accept_truncated: Option<bool>,
    activity: Option<bool>,
}

impl Asked {
    /// # Errors
    /// 400 for options that are unknown, twice there or make no sense.
    pub(super) fn of_query(uri: &Uri) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| bad(format!("the query cannot be read: {error}")))?;
        let mut asked = Self::default();
        pairs.0.iter().try_for_each(|(name, value)| asked.set(name, value))?;
        Ok(asked)
    }

    /// Takes one option.
    ///
    /// # Errors
    /// As [`Asked::of_query`].
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        match name {
            "model" => once(&mut self.model, name, value.to_owned()),
            "heads" => once(&mut self.heads, name, heads(value)?),
            "min_confidence" => once(&mut self.min_confidence, name, share(name, value)?),
            "timeline" => once(&mut self.timeline, name, switch(name, value)?),
            "per_channel" => once(&mut self.per_channel, name, switch(name, value)?),
            "accept_truncated" => once(&mut self.accept_truncated, name, switch(name, value)?),
            "activity" => once(&mut self.activity, name, switch(name, value)?),
            _ => Err(bad(format!("`{}` is no option; there is {}", shown(name), OPTIONS.join(", ")))),
        }
    }

    /// Whether each channel is to be answered apart.
    pub(super) fn per_channel(&self) -> bool {
        self.per_channel == Some(true)
    }

    /// The engine's options: its own where nothing was asked.
    ///
    /// # Errors
    /// 400 for a head that is off on this server: who runs it may not be allowed to answer that.
    pub(super) fn options(&self, engines: &Options) -> Result<Options, Problem> {
        let mut options = engines.clone();
        options.heads = self.heads.unwrap_or(options.heads);
        if let Some(off) = options.heads.names().find(|name| engines.heads.names().all(|on| on != *name)) {
            return Err(bad(format!("`heads` asks for {off}, which is switched off on this server")));
        }
        options.min_confidence = self.min_confidence.unwrap_or(options.min_confidence);
        options.timeline = (self.timeline == Some(true)).then(Timeline::default);
        options.activity = self.activity.unwrap_or(options.activity);
        options.limits.accept_truncated = self.accept_truncated.unwrap_or(options.limits.accept_truncated);
        Ok(options)
    }
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::bad_request("bad_option", detail)
}

fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), Problem> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(bad(format!("`{name}` is there twice"))),
    }
}

fn switch(name: &str, value: &str) -> Result<bool, Problem> {
    match value {
        "" | "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        _ => Err(bad(format!("`{name}` is `{}`; true or false was expected", shown(value)))),
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
            _ => return Err(bad(format!("`heads` names `{}`; some of emotion,gender,age were expected", shown(name)))),
        }
    }
    Ok(heads)
}

fn share(name: &str, value: &str) -> Result<f64, Problem> {
    let share = value.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| bad(format!("`{name}` is `{}`; a number from 0 to 1 was expected", shown(value))))
}

/// What a client wrote, as it may stand in a message.
fn shown(text: &str) -> String {
    file_name(text).chars().take(64).collect()
}

/// A file's name as it may stand in an answer: without control characters, and not without end.
pub(super) fn file_name(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(NAME_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Result<Asked, Problem> {
        Asked::of_query(&format!("/v1/predict?{query}").parse().unwrap())
    }

    #[test]
    fn options_are_taken_and_the_engines_stay() {
        let asked =
            of("timeline=true&per_channel=&model=xvector-cnn&min_confidence=0.6&activity=false&accept_truncated")
                .unwrap();
        assert_eq!((asked.model.as_deref(), asked.per_channel()), (Some("xvector-cnn"), true));
        let options = asked.options(&Options::default()).unwrap();
        assert_eq!((options.min_confidence, options.activity, options.limits.accept_truncated), (0.6, false, true));
        assert_eq!(options.timeline, Some(Timeline::default()));
        let two = of("heads=age,%20emotion").unwrap().options(&Options::default()).unwrap();
        assert_eq!(two.heads, ActiveHeads { emotion: true, gender: false, age: true });
        let no_age = Options { heads: ActiveHeads { age: false, ..ActiveHeads::ALL }, ..Options::default() };
        assert!(of("heads=age").unwrap().options(&no_age).unwrap_err().detail.contains("age, which is switched off"));
        let kept = of("").unwrap().options(&Options { min_confidence: 0.3, ..Options::default() }).unwrap();
        assert_eq!((kept.min_confidence, kept.activity), (0.3, true));
    }

    #[test]
    fn wrong_options_are_named() {
        for (query, words) in [
            ("modle=x", "`modle` is no option"),
            ("model=a&model=b", "`model` is there twice"),
            ("min_confidence=1.1", "`1.1`; a number from 0 to 1"),
            ("min_confidence=NaN", "`NaN`"),
            ("heads=emotion,hair", "`hair`; some of emotion,gender,age"),
            ("heads=", "names ``"),
            ("activity=perhaps", "`perhaps`; true or false"),
            ("a%00b=1", "`a\u{fffd}b`"),
        ] {
            let problem = of(query).unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.reason), (400, "bad_option"));
            assert!(problem.detail.contains(words), "{query}: {}", problem.detail);
        }
    }

    #[test]
    fn names_end_and_do_not_steer() {
        assert_eq!(file_name("a\r\nb.wav"), "a\u{fffd}\u{fffd}b.wav");
        assert_eq!(file_name(&"é".repeat(999)).chars().count(), NAME_CHARACTERS);
    }
}
