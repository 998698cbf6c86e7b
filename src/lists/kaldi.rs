//! Lists of a Kaldi data folder: `wav.scp` (`ID FILE`) and `segments` (`UTTERANCE RECORDING START
//! END`), with what its maps (`utt2spk`, `spk2gender` …) say about an utterance.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::audio::Span;
use crate::error::{Error, Result};

use super::lines::{Lines, file_name};
use super::list::{Entry, Fault, List, RowProblem};
use super::recording_file;
use super::row::Row;
use super::time_columns;

/// Why an entry that Kaldi would execute is not opened.
const COMMAND: &str =
    "the entry is a command, and commands are never executed: run it and list the file that it writes";

/// Reads a `wav.scp`. As in Kaldi, a line is an id, white space and a file name, which may contain
/// spaces and is relative to the current folder. An entry that is a command (it begins or ends with
/// `|`) is refused.
///
/// # Errors
/// [`Error::Malformed`] for a map of the folder that cannot be read.
pub(super) fn read_scp(path: &Path) -> Result<List> {
    let maps = Maps::read(path)?;
    let mut list = List::of(maps.columns(&["id"]), 0);
    each_line(path, &mut |line, text| {
        let entry = scp_entry(text).map(|(id, file, refused)| Entry {
            line,
            file: file.into_boxed_path(),
            span: None,
            row: Row::new(&list.columns, maps.fields(&[id], id).into_iter()),
            refused,
        });
        list.add(entry.ok_or_else(|| RowProblem::new(line, Fault::Shape, "expected `ID FILE`")))
    })?;
    Ok(list)
}

/// Reads a `segments`. The recordings are those of the `wav.scp` beside it, or, without one, the
/// files beside it that have the recording's name before their ending. An end of −1 is the
/// recording's.
///
/// # Errors
/// Those of the `wav.scp`; [`Error::Malformed`] for a map of the folder that cannot be read.
pub(super) fn read_segments(path: &Path) -> Result<List> {
    let maps = Maps::read(path)?;
    let recordings = Recordings::read(path)?;
    let mut list = List::of(maps.columns(&["id", "recording", "start", "end"]), 1);
    let mut known = BTreeMap::new();
    each_line(path, &mut |line, text| {
        let entry = segment(text).and_then(|segment| {
            let found = known.entry(segment.recording.to_owned());
            let found = found.or_insert_with(|| recordings.find(segment.recording)).clone();
            let (file, refused) = found.map_err(|what| (Fault::Name, what))?;
            let own = [segment.id, segment.recording, segment.start, segment.end];
            let row = Row::new(&list.columns, maps.fields(&own, segment.id).into_iter());
            Ok(Entry { line, file: file.into_boxed_path(), span: Some(segment.span), row, refused })
        });
        list.add(entry.map_err(|(fault, what)| RowProblem::new(line, fault, what)))
    })?;
    Ok(list)
}

/// Calls `take` with each line that has text, without surrounding white space.
fn each_line(path: &Path, take: &mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
    let mut lines = Lines::new(File::open(path)?);
    let mut line = Vec::new();
    while lines.next(&mut line)? {
        let text = line.trim_ascii();
        if !text.is_empty() {
            take(lines.number, text)?;
        }
    }
    Ok(())
}

/// The id, the file and why it must not be opened.
fn scp_entry(line: &[u8]) -> Option<(&str, PathBuf, Option<&'static str>)> {
    let end = line.iter().position(u8::is_ascii_whitespace)?;
    let (id, file) = (std::str::from_utf8(&line[..end]).ok()?, line[end..].trim_ascii());
    let is_command = file.first() == Some(&b'|') || file.last() == Some(&b'|');
    Some((id, file_name(file)?, is_command.then_some(COMMAND)))
}

/// A line of `segments`.
struct Segment<'a> {
    id: &'a str,
    recording: &'a str,
    start: &'a str,
    end: &'a str,
    span: Span,
}

fn segment(line: &[u8]) -> Result<Segment<'_>, (Fault, String)> {
    let text = std::str::from_utf8(line).map_err(|_| (Fault::Encoding, "not UTF-8".to_owned()))?;
    let fields: Vec<&str> = text.split_whitespace().collect();
    let &[id, recording, start, end] = &fields[..] else {
        let what = match fields.len() {
            5 => "a channel of a segment is not supported: write each channel to a file".to_owned(),
            count => format!("{count} fields, expected `UTTERANCE RECORDING START END`"),
        };
        return Err((Fault::Shape, what));
    };
    let seconds = |name: &str, text: &str| {
        let value: Option<f64> = text.parse().ok().filter(|value: &f64| value.is_finite());
        value.ok_or_else(|| (Fault::Time, format!("the {name} is `{text}`, expected seconds")))
    };
    let (start_s, end_s) = (seconds("start", start)?, seconds("end", end)?);
    if start_s < 0.0 {
        return Err((Fault::Time, format!("the start is `{start}`, which is negative")));
    }
    let end_s = (end_s != -1.0).then_some(end_s);
    let span = time_columns::span(start_s, end_s).map_err(|what| (Fault::Time, what))?;
    Ok(Segment { id, recording, start, end, span })
}

/// The recordings of a folder by their ids.
struct Recordings<'a> {
    folder: &'a Path,
    /// Those of its `wav.scp`, if it has one.
    listed: Option<BTreeMap<String, (PathBuf, Option<&'static str>)>>,
}

impl<'a> Recordings<'a> {
    fn read(list: &'a Path) -> Result<Self> {
        let folder = list.parent().unwrap_or(Path::new(""));
        let scp = folder.join("wav.scp");
        if !scp.is_file() {
            return Ok(Self { folder, listed: None });
        }
        let mut listed = BTreeMap::new();
        let read = each_line(&scp, &mut |line, text| {
            let malformed = || Error::malformed("wav.scp", format!("line {line}: expected `ID FILE`"));
            let (id, file, refused) = scp_entry(text).ok_or_else(malformed)?;
            listed.insert(id.to_owned(), (file, refused));
            Ok(())
        });
        read.map_err(|error| error.in_file(&scp))?;
        Ok(Self { folder, listed: Some(listed) })
    }

    fn find(&self, id: &str) -> Result<(PathBuf, Option<&'static str>), String> {
        match &self.listed {
            None => Ok((recording_file::find(self.folder, id)?, None)),
            Some(listed) => {
                listed.get(id).cloned().ok_or_else(|| format!("the recording `{id}` is not in the wav.scp beside it"))
            }
        }
    }
}

/// Names of the maps of a data folder after `utt2` and `spk2`, and of their columns.
const MAPS: &[(&str, &str)] = &[
    ("spk", "speaker"),
    ("gender", "gender"),
    ("sex", "gender"),
    ("emotion", "emotion"),
    ("emo", "emotion"),
    ("age", "age"),
];

/// What the maps of a folder say about its utterances.
struct Maps {
    /// Column, whether the map is by speaker, and value by utterance or speaker.
    by_column: Vec<(&'static str, bool, BTreeMap<String, String>)>,
}

impl Maps {
    /// Reads the maps beside a list.
    fn read(list: &Path) -> Result<Self> {
        let folder = list.parent().unwrap_or(Path::new(""));
        let mut maps = Self { by_column: Vec::new() };
        for (by_speaker, prefix) in [(false, "utt2"), (true, "spk2")] {
            for (name, column) in MAPS {
                let path = folder.join(format!("{prefix}{name}"));
                let is_known = maps.by_column.iter().any(|(known, ..)| known == column);
                if !is_known && path.is_file() && (!by_speaker || *name != "spk") {
                    let map = read_map(&path).map_err(|error| error.in_file(&path))?;
                    maps.by_column.push((column, by_speaker, map));
                }
            }
        }
        Ok(maps)
    }

    /// The list's own columns and those of the maps.
    fn columns(&self, own: &[&str]) -> Arc<[String]> {
        own.iter().copied().chain(self.by_column.iter().map(|(column, ..)| *column)).map(str::to_owned).collect()
    }

    /// The fields of an utterance. A value that a map lacks is empty.
    fn fields<'a>(&'a self, own: &[&'a str], utterance: &'a str) -> Vec<&'a str> {
        let value = |map: &'a BTreeMap<String, String>, key: &str| map.get(key).map_or("", String::as_str);
        let speakers = self.by_column.iter().find(|(column, ..)| *column == "speaker");
        let speaker = speakers.map_or(utterance, |(.., map)| value(map, utterance));
        let of_maps =
            self.by_column.iter().map(|(_, by_speaker, map)| value(map, if *by_speaker { speaker } else { utterance }));
        own.iter().copied().chain(of_maps).collect()
    }
}

/// A map `KEY VALUE`.
fn read_map(path: &Path) -> Result<BTreeMap<String, String>> {
    let mut map = BTreeMap::new();
    each_line(path, &mut |line, text| {
        let malformed = |what: &str| Error::malformed("map", format!("line {line}: {what}"));
        let text = std::str::from_utf8(text).map_err(|_| malformed("not UTF-8"))?;
        let (key, value) = text.split_once(char::is_whitespace).ok_or_else(|| malformed("expected `KEY VALUE`"))?;
        map.insert(key.to_owned(), value.trim().to_owned());
        Ok(())
    })?;
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::Fault::{Name, Shape, Time};
    use super::*;
    use std::fs;

    fn data_folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn json(entry: &Entry) -> String {
        serde_json::to_string(&entry.row).unwrap()
    }

    #[test]
    fn a_script_has_one_id_and_one_file_per_line() {
        let text = "utt1 a.wav\r\n\nutt2\t my calls/b c.wav \nu3 sph2pipe x.sph |\nu4 |cat\nu5 a|b.wav\nu6\n";
        let folder = data_folder(&[("wav.scp", text)]);
        let list = read_scp(&folder.path().join("wav.scp")).unwrap();
        assert_eq!(*list.columns, ["id"]);
        let entries: Vec<_> =
            list.entries.iter().map(|e| (json(e), e.file.to_str().unwrap(), e.refused.is_some())).collect();
        assert_eq!(entries[0], (r#"{"id":"utt1"}"#.into(), "a.wav", false));
        assert_eq!(entries[1], (r#"{"id":"utt2"}"#.into(), "my calls/b c.wav", false));
        assert_eq!((entries[2].2, entries[3].2, entries[4].2), (true, true, false));
        assert_eq!((list.problems[0].line, list.problems[0].fault), (7, Fault::Shape));
    }

    #[test]
    fn segments_are_those_of_the_script_with_the_maps_of_the_folder() {
        let folder = data_folder(&[
            ("segments", "a-1 a 0.5 1.5\na-2 a 2 -1\nb-1 b 0 1\nx a 3 2\ny a 1\nz a 0 1 2\nw a -1 1\n"),
            ("wav.scp", "a /calls/a.flac\n"),
            ("utt2spk", "a-1 ann\na-2 bob\n"),
            ("spk2gender", "ann f\nbob m\n"),
            ("utt2emo", "a-1 ang\n"),
        ]);
        let list = read_segments(&folder.path().join("segments")).unwrap();
        assert_eq!(list.entries.len(), 2);
        let expected =
            r#"{"id":"a-1","recording":"a","start":"0.5","end":"1.5","speaker":"ann","emotion":"ang","gender":"f"}"#;
        assert_eq!(json(&list.entries[0]), expected);
        assert!(json(&list.entries[1]).ends_with(r#""speaker":"bob","emotion":"","gender":"m"}"#));
        assert_eq!(list.entries[1].span, Some(Span { start_s: 2.0, end_s: None }));
        assert_eq!(list.entries[1].file.to_str(), Some("/calls/a.flac"));
        let found: Vec<_> = list.problems.iter().map(|problem| (problem.line, problem.fault)).collect();
        assert_eq!(found, [(3, Name), (4, Time), (5, Shape), (6, Shape), (7, Time)]);
    }

    #[test]
    fn without_a_script_the_recordings_lie_beside() {
        let folder = data_folder(&[("segments", "u a 0 1\n"), ("a.wav", "")]);
        let list = read_segments(&folder.path().join("segments")).unwrap();
        assert_eq!(&*list.entries[0].file, folder.path().join("a.wav"));
    }
}
