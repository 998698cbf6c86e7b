//! The columns of a table that state the segment of a row.
//!
//! | role | names |
//! |---|---|
//! | start | `start`, `begin`, `onset` |
//! | end | `end`, `stop`; `offset` beside `onset` |
//! | duration | `duration`, `dur`, used where there is no end |
//! | offset | `offset` without another start, as in NeMo's manifests |
//!
//! Case does not count, nor do the words `time`, `segment`, `seg`, `t` and a unit (`s`, `sec`,
//! `seconds`, `ms`): `Start_Time`, `segment_start` and `end (s)` are known too. A column that only
//! contains such a word, such as `call_start`, is not used, with a warning; one that counts samples
//! or frames is an error.

use crate::audio::Span;

use super::time::{self, EXPECTED};

/// A column and the unit of its numbers in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Column {
    index: usize,
    unit: f64,
}

/// The columns of the segment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct TimeColumns {
    start: Option<Column>,
    end: Option<Column>,
    duration: Option<Column>,
}

/// What a name says about a column.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Meaning {
    Nothing,
    Start,
    Onset,
    Offset,
    End,
    Duration,
    /// A position in samples or frames.
    Counted,
    /// A time of something else.
    Other,
}

impl TimeColumns {
    /// Finds the columns by their names. Returns them with warnings about similar columns that are
    /// not used.
    ///
    /// # Errors
    /// A column that counts samples or frames.
    pub(super) fn find(columns: &[String]) -> Result<(Self, Vec<String>), String> {
        let meanings: Vec<(Meaning, f64)> = columns.iter().map(|name| meaning(name)).collect();
        if let Some(index) = meanings.iter().position(|(meaning, _)| *meaning == Meaning::Counted) {
            let name = &columns[index];
            return Err(format!(
                "the column `{name}` counts samples or frames; give the times in seconds, as `start` and `end`"
            ));
        }
        let first = |wanted: Meaning| {
            let index = meanings.iter().position(|(meaning, _)| *meaning == wanted)?;
            Some(Column { index, unit: meanings[index].1 })
        };
        let onset = first(Meaning::Onset);
        let (mut start, mut end) = (first(Meaning::Start).or(onset), first(Meaning::End));
        match first(Meaning::Offset) {
            Some(offset) if start.is_none() => start = Some(offset),
            Some(offset) if start == onset && end.is_none() => end = Some(offset),
            _ => {}
        }
        let is_segment = start.is_some() || end.is_some();
        let duration = first(Meaning::Duration).filter(|_| start.is_some() && end.is_none());
        let found = Self { start, end, duration };
        let used = [start, end, duration];
        let is_unused = |index: &usize| {
            meanings[*index].0 != Meaning::Nothing && used.iter().flatten().all(|column| column.index != *index)
        };
        let unused: Vec<&str> = (0..columns.len()).filter(is_unused).map(|index| columns[index].as_str()).collect();
        Ok((found, warning(&unused, is_segment).into_iter().collect()))
    }

    /// The segment of a row; `None` for the whole recording.
    ///
    /// # Errors
    /// A time that cannot be read, or an end before the start.
    pub(super) fn span(
        &self,
        columns: &[String],
        fields: &[&str],
        decimal_comma: bool,
    ) -> Result<Option<Span>, String> {
        let read = |column: Option<Column>| -> Result<Option<f64>, String> {
            let Some(Column { index, unit }) = column else { return Ok(None) };
            let (name, text) = (&columns[index], fields[index]);
            let value = time::seconds(text, unit, decimal_comma)
                .map_err(|()| format!("`{name}` is `{}`, {EXPECTED}", text.trim()))?;
            if value.is_some_and(|value| value < 0.0) {
                return Err(format!("`{name}` is `{}`, which is negative", text.trim()));
            }
            Ok(value)
        };
        let (start, end, duration) = (read(self.start)?, read(self.end)?, read(self.duration)?);
        if start.is_none() && end.is_none() && duration.is_none() {
            return Ok(None);
        }
        let start_s = start.unwrap_or(0.0);
        let end_s = end.or(duration.map(|duration| start_s + duration));
        span(start_s, end_s).map(Some)
    }
}

/// A segment from its start and end.
///
/// # Errors
/// An end before the start.
pub(super) fn span(start_s: f64, end_s: Option<f64>) -> Result<Span, String> {
    match end_s {
        Some(end_s) if end_s < start_s => {
            Err(format!("the segment ends at {end_s} s, before its start at {start_s} s"))
        }
        _ => Ok(Span { start_s, end_s }),
    }
}

fn warning(unused: &[&str], is_segment: bool) -> Option<String> {
    let names = unused.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let columns = if unused.len() == 1 { "column" } else { "columns" };
    let instead = if is_segment {
        "the segments are those of the other columns"
    } else {
        "every row is the whole file; a segment is stated by `start` and `end`, in seconds"
    };
    (!unused.is_empty()).then(|| format!("{columns} {names}: copied, not used as times; {instead}"))
}

/// The meaning of a column's name, and the unit of its numbers in seconds.
fn meaning(name: &str) -> (Meaning, f64) {
    let words = words(name);
    let is = |word: &String, list: &[&str]| list.contains(&word.as_str());
    let unit = if words.iter().any(|word| is(word, &["ms", "msec", "millis", "milliseconds"])) { 1e-3 } else { 1.0 };
    let noise = [
        "time",
        "times",
        "segment",
        "seg",
        "t",
        "in",
        "s",
        "sec",
        "secs",
        "second",
        "seconds",
        "ms",
        "msec",
        "millis",
        "milliseconds",
    ];
    let rest: Vec<&str> = words.iter().filter(|word| !is(word, &noise)).map(String::as_str).collect();
    let is_time = |word: &&str| {
        matches!(
            *word,
            "start" | "begin" | "onset" | "offset" | "end" | "stop" | "duration" | "dur" | "starttime" | "endtime"
        )
    };
    let meaning = match rest[..] {
        ["start" | "begin" | "starttime" | "begintime"] => Meaning::Start,
        ["onset"] => Meaning::Onset,
        ["offset"] => Meaning::Offset,
        ["end" | "stop" | "endtime" | "stoptime"] => Meaning::End,
        ["duration" | "dur"] => Meaning::Duration,
        _ if !rest.iter().any(is_time) => Meaning::Nothing,
        [_, "sample" | "samples" | "frame" | "frames"] | ["sample" | "samples" | "frame" | "frames", _] => {
            Meaning::Counted
        }
        _ => Meaning::Other,
    };
    (meaning, unit)
}

/// The words of a name in lower case: `startTime`, `start_time` and `Start (time)` are two words.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().into_iter().for_each(|word| word.extend(c.to_lowercase()));
        }
        was_lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(columns: &[&str]) -> Result<(TimeColumns, Vec<String>), String> {
        TimeColumns::find(&columns.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    /// The segment of one row, in which the warnings are counted.
    fn span_of(columns: &[&str], fields: &[&str]) -> (Result<Option<Span>, String>, usize) {
        let (found, warnings) = find(columns).unwrap();
        let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
        (found.span(&columns, fields, false), warnings.len())
    }

    #[test]
    fn segments_are_found_by_every_usual_name() {
        let whole = Span { start_s: 1.0, end_s: Some(2.5) };
        for columns in [
            ["start", "end"],
            ["Start", "END"],
            ["begin", "stop"],
            ["start_time", "end_time"],
            ["startTime", "endTime"],
            ["segment_start", "segment end"],
            ["t_start", "t_end"],
            ["start (s)", "end_sec"],
            ["onset", "offset"],
        ] {
            assert_eq!(span_of(&columns, &["1", "2.5"]), (Ok(Some(whole)), 0), "{columns:?}");
        }
        for columns in [["offset", "duration"], ["start", "dur"], ["begin_s", "duration_s"]] {
            assert_eq!(span_of(&columns, &["1", "1.5"]), (Ok(Some(whole)), 0), "{columns:?}");
        }
        assert_eq!(span_of(&["start_ms", "duration_ms"], &["1000", "1500"]), (Ok(Some(whole)), 0));
        assert_eq!(span_of(&["end", "x"], &["2", ""]).0, Ok(Some(Span { start_s: 0.0, end_s: Some(2.0) })));
        assert_eq!(span_of(&["start", "end"], &["1", "NaT"]).0, Ok(Some(Span { start_s: 1.0, end_s: None })));
        assert_eq!(span_of(&["start", "end"], &["", ""]).0, Ok(None));
    }

    #[test]
    fn similar_columns_are_never_ignored_in_silence() {
        for columns in [["file", "duration"], ["call_start", "call_end"], ["start_of_shift", "x"]] {
            let (found, warnings) = find(&columns).unwrap();
            assert_eq!((found, warnings.len()), (TimeColumns::default(), 1), "{columns:?}");
            assert!(warnings[0].contains("every row is the whole file"), "{warnings:?}");
        }
        assert!(find(&["start", "end", "duration"]).unwrap().1[0].contains("`duration`"));
        for columns in [["start_sample", "end_sample"], ["frame_start", "x"]] {
            assert!(find(&columns).unwrap_err().contains("counts samples or frames"));
        }
        for columns in [["file", "emotion"], ["gender", "restart"], ["endurance", "tend"], ["length", "t"]] {
            assert_eq!(find(&columns).unwrap(), (TimeColumns::default(), vec![]), "{columns:?}");
        }
    }

    #[test]
    fn invalid_times_are_named_with_their_column() {
        let message = |fields: &[&str]| span_of(&["start", "end"], fields).0.unwrap_err();
        assert!(message(&["2024-01-01", "2"]).contains("`start` is `2024-01-01`, expected seconds"));
        assert!(message(&["-1", "2"]).contains("negative"));
        assert!(message(&["3", "2"]).contains("ends at 2 s, before its start at 3 s"));
    }
}
