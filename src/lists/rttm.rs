//! RTTM, NIST's Rich Transcription Time Marked: who speaks when.
//!
//! ```text
//! SPEAKER FILE CHANNEL START DURATION <NA> <NA> SPEAKER <NA> <NA>
//! ```
//!
//! Ten fields separated by blanks, times in seconds (NIST, *RT-09 Evaluation Plan*, appendix A).
//! Lines of another type than `SPEAKER`, and comments after `;`, are passed over.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use crate::audio::Span;
use crate::error::{Error, Result};

use super::lines::Lines;
use super::list::{Entry, Fault, List, RowProblem};
use super::recording_file;
use super::row::Row;

/// A turn: one speaker from a start to an end. The speaker's name is kept as it stands in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Line of the file, from 1.
    pub line: u64,
    /// Name of the recording, without its ending.
    pub recording: String,
    /// Channel as it stands in the file: a number from 1, or `<NA>`.
    pub channel: String,
    /// Start in seconds.
    pub start_s: f64,
    /// End in seconds, at least the start.
    pub end_s: f64,
    /// Name of the speaker.
    pub speaker: String,
}

/// Reads the turns of all recordings of an RTTM file, in the file's order, for instance the
/// reference of a diarization.
///
/// # Errors
/// With the file's name: [`Error::Read`], [`Error::Limit`] for a line that is too long, and
/// [`Error::Malformed`] with the line of a turn that cannot be read.
pub fn read_turns(path: &Path) -> Result<Vec<Turn>> {
    let mut turns = Vec::new();
    let read = each_turn(path, &mut |turn| {
        turns.push(turn.map_err(|problem| Error::malformed("RTTM", problem.to_string()))?);
        Ok(())
    });
    read.map_err(|error| error.in_file(path))?;
    Ok(turns)
}

/// Reads a file as a list of segments. A recording lies beside the file.
pub(super) fn read(path: &Path) -> Result<List> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut list = List::new(&["recording", "channel", "start", "end", "speaker"], 0);
    let mut files = BTreeMap::new();
    let mut channels = BTreeMap::new();
    each_turn(path, &mut |turn| {
        let entry = turn.and_then(|turn| {
            let known = files.entry(turn.recording.clone());
            let file = known.or_insert_with(|| recording_file::find(folder, &turn.recording)).clone();
            let file = file.map_err(|what| RowProblem::new(turn.line, Fault::Name, what))?;
            let channel = channels.entry(turn.recording.clone()).or_insert_with(|| turn.channel.clone());
            if *channel != turn.channel {
                let what = format!(
                    "`{}` has turns in the channels {channel} and {}; segments of single channels are not supported: \
                     write each channel to a file",
                    turn.recording, turn.channel
                );
                return Err(RowProblem::new(turn.line, Fault::Name, what));
            }
            let (start, end) = (turn.start_s.to_string(), turn.end_s.to_string());
            let fields = [&*turn.recording, &*turn.channel, &*start, &*end, &*turn.speaker];
            Ok(Entry {
                line: turn.line,
                file: file.into_boxed_path(),
                span: Some(Span { start_s: turn.start_s, end_s: Some(turn.end_s) }),
                row: Row::new(&list.columns, fields.into_iter()),
                refused: None,
            })
        });
        list.add(entry)
    })?;
    Ok(list)
}

/// Calls `take` with each turn of a file, or with what is wrong with it.
fn each_turn(path: &Path, take: &mut dyn FnMut(Result<Turn, RowProblem>) -> Result<()>) -> Result<()> {
    let mut lines = Lines::new(File::open(path)?);
    let mut line = Vec::new();
    while lines.next(&mut line)? {
        let number = lines.number;
        let Ok(text) = std::str::from_utf8(&line) else {
            take(Err(RowProblem::new(number, Fault::Encoding, "not UTF-8")))?;
            continue;
        };
        let text = text.trim_start_matches('\u{feff}').split(';').next().unwrap_or_default();
        let fields: Vec<&str> = text.split_whitespace().collect();
        if fields.first() == Some(&"SPEAKER") {
            take(turn(number, &fields))?;
        } else if let Some(first) = fields.first().filter(|first| !TYPES.contains(first)) {
            let what = format!(
                "the type `{first}` is not one of RTTM; a turn is SPEAKER FILE CHANNEL START DURATION <NA> <NA> NAME"
            );
            take(Err(RowProblem::new(number, Fault::Shape, what)))?;
        }
    }
    Ok(())
}

/// Other types of lines.
const TYPES: &[&str] = &[
    "SPKR-INFO",
    "SEGMENT",
    "NOSCORE",
    "NO_RT_METADATA",
    "LEXEME",
    "NON-LEX",
    "NON-SPEECH",
    "FILLER",
    "EDIT",
    "IP",
    "CB",
    "SU",
    "A/P",
];

fn turn(line: u64, fields: &[&str]) -> Result<Turn, RowProblem> {
    let [_, recording, channel, start, duration, _, _, speaker, ..] = *fields else {
        let what = format!(
            "{} fields, expected ten: SPEAKER FILE CHANNEL START DURATION <NA> <NA> NAME <NA> <NA>",
            fields.len()
        );
        return Err(RowProblem::new(line, Fault::Shape, what));
    };
    let seconds = |name: &str, text: &str| {
        let value: Option<f64> = text.parse().ok().filter(|value: &f64| value.is_finite() && *value >= 0.0);
        value.ok_or_else(|| RowProblem::new(line, Fault::Time, format!("the {name} is `{text}`, expected seconds")))
    };
    let (start_s, duration_s) = (seconds("start", start)?, seconds("duration", duration)?);
    Ok(Turn {
        line,
        recording: recording.into(),
        channel: channel.into(),
        start_s,
        // to the microsecond: the sum of two decimal numbers is rarely one
        end_s: ((start_s + duration_s) * 1e6).round() / 1e6,
        speaker: speaker.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const TEXT: &str = ";; made by hand\n\
        SPKR-INFO call 1 <NA> <NA> <NA> unknown M1 <NA>\n\
        SPEAKER call 1 0.2 0.1 <NA> <NA> M1 <NA> <NA>\n\
        \n\
        SPEAKER call 1 1.5 2.25 <NA> <NA> F_2 <NA> <NA> ; overlap\n\
        SPEAKER call 1 1.5 x <NA> <NA> F_2 <NA> <NA>\n\
        SPEAKER call 1\n";

    #[test]
    fn turns_keep_the_names_of_the_speakers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("call.rttm");
        fs::write(&path, TEXT.lines().take(5).collect::<Vec<_>>().join("\r\n")).unwrap();
        let turns = read_turns(&path).unwrap();
        assert_eq!(turns.iter().map(|turn| (turn.line, &*turn.speaker)).collect::<Vec<_>>(), [(3, "M1"), (5, "F_2")]);
        assert_eq!((turns[0].start_s, turns[0].end_s, turns[1].end_s, &*turns[0].recording), (0.2, 0.3, 3.75, "call"));
        fs::write(&path, TEXT).unwrap();
        let message = read_turns(&path).unwrap_err().to_string();
        assert!(message.contains("call.rttm: RTTM is malformed: line 6: the duration is `x`"), "{message}");
    }

    #[test]
    fn turns_are_segments_of_the_recording_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.rttm");
        fs::write(&path, TEXT).unwrap();
        fs::write(folder.path().join("call.flac"), "").unwrap();
        let list = read(&path).unwrap();
        assert_eq!(list.entries[1].row.values().collect::<Vec<_>>(), ["call", "1", "1.5", "3.75", "F_2"]);
        assert!(list.entries[1].file.ends_with("call.flac"));
        assert_eq!(list.problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [6, 7]);
        fs::write(&path, "SPEAKER call 1 0 1 <NA> <NA> A <NA> <NA>\nSPEAKER call 2 0 1 <NA> <NA> B <NA> <NA>\nhello\n")
            .unwrap();
        let list = read(&path).unwrap();
        assert!(list.problems[0].message.contains("channels 1 and 2"), "{:?}", list.problems);
        assert!(list.problems[1].message.contains("`hello`"), "{:?}", list.problems);
    }
}
