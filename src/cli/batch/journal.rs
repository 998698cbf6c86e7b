//! The output of a run that may be interrupted at any moment and resumed.
//!
//! ```text
//! results.jsonl.part       the lines so far, one per input, in order; the last one may be incomplete
//! results.jsonl.run.json   the settings of these lines: model, options, inputs; at the end also the counts
//! results.jsonl            always complete: `.part` is renamed when its last line is on the disk
//! ```

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use persona_engine::import::write_atomically;
use persona_engine::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::inputs::Inputs;
use super::record::Record;
use super::tally::Tally;

/// Interval of writing lines to the disk. Lines lost in a power cut are computed again.
const SYNC_EVERY: Duration = Duration::from_secs(5);
/// Maximum length of a line that is read back. No line of this program is longer.
const MAX_LINE: u64 = 1 << 30;

/// What to do with an existing output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// Leave it unchanged and stop.
    Refuse,
    /// Continue where it ends.
    Resume,
    /// Start again. The old one is replaced when the new one is complete.
    Overwrite,
}

/// The content of `.run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    /// Version of this file.
    pub(super) schema: u32,
    /// All settings that determine the bytes of the output, by name.
    pub(super) settings: Map<String, Value>,
    /// The counts, once the output is complete.
    pub(super) finished: Option<Tally>,
}

/// An output that is being written.
#[derive(Debug)]
pub(super) struct Journal {
    places: Places,
    run: Run,
    part: File,
    synced: Instant,
}

/// State of an output after opening.
#[derive(Debug)]
pub(super) enum Opened {
    /// `done` lines are complete; `dropped` bytes after them were removed.
    Unfinished { journal: Box<Journal>, done: usize, dropped: u64 },
    /// The output is complete.
    Finished,
}

#[derive(Debug, Clone)]
struct Places {
    whole: PathBuf,
    part: PathBuf,
    run: PathBuf,
}

impl Places {
    fn of(whole: &Path) -> Self {
        let beside = |ending: &str| {
            let mut name = OsString::from(whole);
            name.push(ending);
            PathBuf::from(name)
        };
        Self { whole: whole.to_owned(), part: beside(".part"), run: beside(".run.json") }
    }

    fn refuse(&self, reason: &str) -> Error {
        Error::usage(reason).in_file(&self.whole)
    }
}

impl Journal {
    /// Opens the output of a run, and counts its lines.
    ///
    /// # Errors
    /// [`Error::Usage`] for an output that exists and must not be replaced, that another process is
    /// writing, or that belongs to another run (with the settings that differ); [`Error::Write`]
    /// for one that cannot be written.
    pub(super) fn open(
        whole: &Path,
        settings: Map<String, Value>,
        existing: Existing,
        inputs: &Inputs,
        tally: &mut Tally,
    ) -> Result<Opened> {
        let places = Places::of(whole);
        let run = Run { schema: 1, settings, finished: None };
        let has_part = fs::metadata(&places.part).is_ok_and(|found| found.len() > 0);
        let (has_whole, earlier) = (places.whole.exists(), read_run(&places.run)?);
        if existing == Existing::Refuse && (has_whole || has_part) {
            let what = if has_part {
                "an interrupted run has written a part of it; --resume continues, --overwrite starts again"
            } else {
                "already exists; choose another name or --overwrite"
            };
            return Err(places.refuse(what));
        }
        if existing == Existing::Resume && (has_whole || has_part) {
            let Some(earlier) = earlier else {
                let what = format!("{} with its settings is missing; --overwrite starts again", places.run.display());
                return Err(places.refuse(&what));
            };
            check_same(&earlier, &run).map_err(|what| places.refuse(&what))?;
            if let (false, Some(counts)) = (has_part, earlier.finished) {
                *tally = counts;
                return Ok(Opened::Finished);
            }
        }
        Self::start(places, run, existing, inputs, tally)
    }

    fn start(places: Places, run: Run, existing: Existing, inputs: &Inputs, tally: &mut Tally) -> Result<Opened> {
        let unwritable = |error: io::Error| Error::write(places.part.display().to_string(), error);
        let mut part = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&places.part)
            .map_err(unwritable)?;
        if let Err(TryLockError::WouldBlock) = part.try_lock() {
            return Err(places.refuse("another process is writing this file"));
        }
        let (mut done, mut kept) = (0, 0);
        if existing == Existing::Resume {
            (done, kept) = read_lines(&part, inputs, tally).map_err(unwritable)?;
        }
        let length = part.metadata().map_err(unwritable)?.len();
        part.set_len(kept).and_then(|()| part.seek(SeekFrom::Start(kept))).map_err(unwritable)?;
        write_run(&places.run, &run)?;
        let dropped = if existing == Existing::Resume { length - kept } else { 0 };
        Ok(Opened::Unfinished { journal: Box::new(Self { places, run, part, synced: Instant::now() }), done, dropped })
    }

    /// Appends one line, which contains no line break.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub(super) fn write(&mut self, line: &str) -> Result<()> {
        let written = self.part.write_all(format!("{line}\n").as_bytes()).and_then(|()| self.sync_if_due());
        written.map_err(|error| Error::write(self.places.part.display().to_string(), error))
    }

    fn sync_if_due(&mut self) -> io::Result<()> {
        if self.synced.elapsed() >= SYNC_EVERY {
            self.part.sync_data()?;
            self.synced = Instant::now();
        }
        Ok(())
    }

    /// Completes the output: with the lines as they are, or as `convert` converts them.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub(super) fn finish(mut self, tally: &Tally, convert: Option<&Convert<'_>>) -> Result<()> {
        let Places { whole, part, run } = &self.places;
        let failed = |error: io::Error| Error::write(whole.display().to_string(), error);
        self.part.sync_all().map_err(failed)?;
        self.run.finished = Some(tally.clone());
        write_run(run, &self.run)?;
        match convert {
            None => fs::rename(part, whole).and_then(|()| sync_folder(whole)).map_err(failed),
            Some(convert) => {
                self.part.rewind().map_err(failed)?;
                write_atomically(whole, |to| Ok(convert(&mut BufReader::new(&self.part), to)?))?;
                fs::remove_file(part).map_err(failed)
            }
        }
    }
}

/// Converts the lines to another format.
pub(super) type Convert<'a> = dyn Fn(&mut dyn BufRead, &mut dyn Write) -> io::Result<()> + 'a;

/// Counts the complete lines that belong to the inputs, in order. Returns their number and their
/// bytes. Anything after them is an incomplete line, or damaged by a power cut.
fn read_lines(part: &File, inputs: &Inputs, tally: &mut Tally) -> io::Result<(usize, u64)> {
    let mut reader = BufReader::new(part);
    let (mut done, mut kept, mut text) = (0, 0, Vec::new());
    for input in &inputs.list {
        text.clear();
        reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut text)?;
        let record = text.strip_suffix(b"\n").and_then(|line| serde_json::from_slice::<Record>(line).ok());
        match record.filter(|record| record.file == input.name()) {
            Some(record) => tally.add(&record),
            None => break,
        }
        done += 1;
        kept += text.len() as u64;
    }
    Ok((done, kept))
}

/// Compares the settings with those of the run to resume; the error lists the differences.
fn check_same(earlier: &Run, now: &Run) -> Result<(), String> {
    let names: std::collections::BTreeSet<&String> = earlier.settings.keys().chain(now.settings.keys()).collect();
    let text = |run: &Run, name: &str| run.settings.get(name).map_or_else(|| "nothing".to_owned(), Value::to_string);
    let differ = |name: &&String| earlier.settings.get(name.as_str()) != now.settings.get(name.as_str());
    let differences: Vec<String> = names
        .into_iter()
        .filter(differ)
        .map(|name| format!("{name} was {}, now {}", text(earlier, name), text(now, name)))
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(format!("belongs to another run ({}); --overwrite starts again", differences.join("; ")))
}

/// Reads the settings of an earlier run. `None` if there are none, or if the file is not one of
/// this program.
fn read_run(path: &Path) -> Result<Option<Run>> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::Read(error).in_file(path)),
    }
}

fn write_run(path: &Path, run: &Run) -> Result<()> {
    write_atomically(path, |to| {
        serde_json::to_writer_pretty(&mut *to, run).map_err(io::Error::from)?;
        Ok(to.write_all(b"\n")?)
    })
}

/// Flushes a folder, which makes a rename in it durable. Not needed on systems where folders cannot
/// be opened.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).map_or(Ok(()), |folder| folder.sync_all().or(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::batch::input::Input;
    use crate::cli::batch::test_folder::test_folder;
    use serde_json::json;

    fn inputs(names: &[&str]) -> Inputs {
        Inputs { list: names.iter().map(Input::file).collect(), ..Inputs::default() }
    }

    fn settings(model: &str) -> Map<String, Value> {
        json!({"model": model, "inputs": 3}).as_object().unwrap().clone()
    }

    fn line(name: &str) -> String {
        json!({"file": name, "duration_s": 1.0, "no_answer": null}).to_string()
    }

    const NAMES: [&str; 3] = ["a", "b", "c"];

    fn open(at: &Path, model: &str, existing: Existing) -> Result<(Opened, Tally)> {
        let mut tally = Tally::default();
        let opened = Journal::open(at, settings(model), existing, &inputs(&NAMES), &mut tally)?;
        Ok((opened, tally))
    }

    /// The journal, the number of lines done, the bytes dropped and the counts.
    fn unfinished(at: &Path, existing: Existing) -> (Journal, usize, u64, Tally) {
        match open(at, "m", existing).unwrap() {
            (Opened::Unfinished { journal, done, dropped }, tally) => (*journal, done, dropped, tally),
            (Opened::Finished, _) => panic!("already finished"),
        }
    }

    fn whole() -> String {
        NAMES.map(|name| line(name) + "\n").concat()
    }

    /// The output is cut off at every byte, and resumed.
    #[test]
    fn a_run_can_be_resumed_at_every_byte() {
        let at = test_folder("every_byte").join("out.jsonl");
        let places = Places::of(&at);
        for cut in 0..=whole().len() {
            drop(unfinished(&at, Existing::Overwrite));
            fs::write(&places.part, &whole().as_bytes()[..cut]).unwrap();
            let (mut journal, done, dropped, mut tally) = unfinished(&at, Existing::Resume);
            assert_eq!(done, whole()[..cut].matches('\n').count(), "at {cut}");
            assert_eq!((done * whole().len() / 3) as u64 + dropped, cut as u64);
            assert_eq!(tally.answered, done as u64);
            for name in &NAMES[done..] {
                journal.write(&line(name)).unwrap();
                tally.answered += 1;
            }
            journal.finish(&tally, None).unwrap();
            assert_eq!(fs::read_to_string(&at).unwrap(), whole(), "cut at {cut}");
            assert!(!places.part.exists());
        }
        assert!(matches!(open(&at, "m", Existing::Resume).unwrap(), (Opened::Finished, tally) if tally.answered == 3));
    }

    #[test]
    fn lines_after_a_damaged_one_are_dropped() {
        let at = test_folder("lost").join("out.jsonl");
        drop(unfinished(&at, Existing::Refuse));
        let zeros = [line("a"), "\0".repeat(40), line("c")].join("\n") + "\n";
        fs::write(Places::of(&at).part, &zeros).unwrap();
        let (_, done, dropped, _) = unfinished(&at, Existing::Resume);
        assert_eq!((done, dropped), (1, (zeros.len() - line("a").len() - 1) as u64));
    }

    #[test]
    fn an_existing_output_is_refused_by_default() {
        let at = test_folder("existing").join("out.jsonl");
        let refused = |model, existing| open(&at, model, existing).map(|_| ()).unwrap_err().to_string();
        let (mut journal, ..) = unfinished(&at, Existing::Refuse);
        assert!(refused("m", Existing::Resume).contains("another process") || cfg!(not(unix)));
        journal.write(&line("a")).unwrap();
        drop(journal);
        assert!(refused("m", Existing::Refuse).contains("--resume continues"));
        let other = refused("other", Existing::Resume);
        assert!(other.contains(r#"model was "m", now "other""#) && other.contains("out.jsonl"), "{other}");
        let (journal, done, ..) = unfinished(&at, Existing::Resume);
        assert_eq!(done, 1);
        journal.finish(&Tally::default(), None).unwrap();
        assert!(refused("m", Existing::Refuse).contains("--overwrite"));
        assert!(refused("other", Existing::Resume).contains("another run"));
        fs::remove_file(Places::of(&at).run).unwrap();
        assert!(refused("m", Existing::Resume).contains("run.json with its settings is missing"));
    }

    /// The old output stays until the new one is complete.
    #[test]
    fn an_output_is_replaced_when_complete() {
        let at = test_folder("replaced").join("out.jsonl");
        fs::write(&at, "old").unwrap();
        let (mut journal, ..) = unfinished(&at, Existing::Overwrite);
        journal.write(&line("a")).unwrap();
        assert_eq!(fs::read_to_string(&at).unwrap(), "old");
        let convert = |from: &mut dyn BufRead, to: &mut dyn Write| {
            let mut text = String::new();
            from.read_to_string(&mut text)?;
            write!(to, "<{text}>")
        };
        journal.finish(&Tally::default(), Some(&convert)).unwrap();
        assert_eq!(fs::read_to_string(&at).unwrap(), format!("<{}\n>", line("a")));
    }
}
