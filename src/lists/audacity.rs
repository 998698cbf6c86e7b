//! Audacity's label track: `START TAB END TAB LABEL` per line, in seconds. A line that begins with
//! a backslash is the frequency range of the label before it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};

use super::list::{Entry, Fault, List, RowProblem};
use super::recording_file;
use super::row::Row;
use super::time;
use super::time_columns::span;

/// Bytes in which the first label is looked for.
const HEAD: u64 = 4096;

/// Whether a text is a label track: its first line with text is a label.
pub(super) fn is_label_track(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    let text = String::from_utf8_lossy(&head);
    read.is_ok() && text.lines().find(|line| !line.trim().is_empty()).is_some_and(|line| label(line).is_some())
}

/// Parses a label track. Its recording lies beside it and has the same name before the ending.
///
/// # Errors
/// [`Error::Malformed`] where there is no such recording.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<List> {
    let malformed = |what: String| Error::malformed("label track", what);
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("not UTF-8".into()))?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let file = recording_file::find(path.parent().unwrap_or(Path::new("")), &stem).map_err(malformed)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut list = List::new(&["file", "start", "end", "label"], 0);
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() || text.starts_with('\\') {
            continue;
        }
        let entry = label(text).ok_or_else(|| "expected START, END and LABEL, separated by tabs".to_owned());
        let entry = entry.and_then(|Label { start, end, text, times }| {
            let fields = [&*name, start, end, text];
            let (columns, file) = (&list.columns, file.clone().into_boxed_path());
            let row = Row::new(columns, fields.into_iter());
            Ok(Entry { line, file, span: Some(span(times.0, Some(times.1))?), row, refused: None })
        });
        list.add(entry.map_err(|what| RowProblem::new(line, Fault::Time, what)))?;
    }
    Ok(list)
}

/// A line of a label track.
struct Label<'a> {
    start: &'a str,
    end: &'a str,
    text: &'a str,
    /// Start and end in seconds.
    times: (f64, f64),
}

fn label(line: &str) -> Option<Label<'_>> {
    let (start, rest) = line.split_once('\t')?;
    let (end, text) = rest.split_once('\t').unwrap_or((rest, ""));
    let number = |text: &str| time::seconds(text, 1.0, true).ok().flatten().filter(|value| *value >= 0.0);
    Some(Label { start: start.trim(), end: end.trim(), text: text.trim(), times: (number(start)?, number(end)?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Span;
    use std::fs;

    #[test]
    fn labels_are_segments_of_the_recording_beside() {
        let folder = tempfile::tempdir().unwrap();
        let track = folder.path().join("call.txt");
        fs::write(&track, "0.500000\t1.250000\tangry\n\\\t200\t3000\n2\t2\n\n3\tx\ty\n").unwrap();
        assert!(is_label_track(&track));
        let message = parse(&fs::read(&track).unwrap(), &track).unwrap_err().to_string();
        assert!(message.contains("no recording `call.*`"), "{message}");
        fs::write(folder.path().join("call.flac"), "").unwrap();
        let list = parse(&fs::read(&track).unwrap(), &track).unwrap();
        let spans: Vec<_> = list.entries.iter().map(|entry| (entry.line, entry.span)).collect();
        let span = |start_s, end_s| Some(Span { start_s, end_s: Some(end_s) });
        assert_eq!(spans, [(1, span(0.5, 1.25)), (3, span(2.0, 2.0))]);
        assert_eq!(list.entries[0].row.values().collect::<Vec<_>>(), ["call.flac", "0.500000", "1.250000", "angry"]);
        assert_eq!(list.problems[0].line, 5);
        fs::write(folder.path().join("call.mp3"), "").unwrap();
        assert!(parse(b"1\t2\n", &track).unwrap_err().to_string().contains("several files"));
        fs::write(&track, "a list of words\n").unwrap();
        assert!(!is_label_track(&track));
    }
}
