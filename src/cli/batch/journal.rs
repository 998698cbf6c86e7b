//! The output of a run that may be killed at any moment and taken up again.
//!
//! ```text
//! results.jsonl.part       the lines so far, one an input, in order; the last one may be torn
//! results.jsonl.run.json   what decides these lines: system, options, inputs; at the end also the counts
//! results.jsonl            the whole, and only ever the whole: `.part` is renamed when its last line is on the disk
//! ```

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use persona_engine::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::inputs::Inputs;
use super::tally::{Line, Tally};

/// How long lines may be on their way to the disk. What a power cut takes is answered again.
const SYNC_EVERY: Duration = Duration::from_secs(5);
/// The longest line that is read back. Longer ones are none of ours.
const MAX_LINE: u64 = 1 << 30;

/// What to do with an output that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// Leave it alone and stop.
    Refuse,
    /// Take it up where it ends.
    Resume,
    /// Begin anew. What is there goes when the new one is whole.
    Overwrite,
}

/// The content of `.run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    /// Version of this file.
    pub(super) schema: u32,
    /// All that decides the output's bytes, by name.
    pub(super) settings: Map<String, Value>,
    /// The counts, once the output is whole.
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

/// An output that was opened.
#[derive(Debug)]
pub(super) enum Opened {
    /// To be written from the line `done` on; `dropped` bytes at its end were torn.
    Unfinished { journal: Box<Journal>, done: usize, dropped: u64 },
    /// Nothing is left to do.
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

    fn refuse(&self, what: &str) -> Error {
        Error::Config(what.to_owned()).in_file(&self.whole)
    }
}

impl Journal {
    /// Opens the output of a run, and counts the lines that it has.
    ///
    /// # Errors
    /// An output that is there and must not be touched, that another process is writing to, that belongs to another run (with the settings that
    /// differ), or that cannot be written.
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
                "an unfinished run has begun to write it: --resume takes it up, --overwrite begins anew"
            } else {
                "it is there already: give another name, or --overwrite"
            };
            return Err(places.refuse(what));
        }
        if existing == Existing::Resume && (has_whole || has_part) {
            let Some(earlier) = earlier else {
                let what =
                    format!("{} is missing, which says what made it: --overwrite begins anew", places.run.display());
                return Err(places.refuse(&what));
            };
            check_same(&earlier, &run).map_err(|what| places.refuse(&what))?;
            if let (false, Some(counts)) = (has_part, earlier.finished) {
                *tally = counts;
                return Ok(Opened::Finished);
            }
        }
        Self::begin(places, run, existing, inputs, tally)
    }

    fn begin(places: Places, run: Run, existing: Existing, inputs: &Inputs, tally: &mut Tally) -> Result<Opened> {
        let unwritable = |error: io::Error| Error::Config(format!("{}: not written: {error}", places.part.display()));
        let mut part = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&places.part)
            .map_err(unwritable)?;
        if let Err(TryLockError::WouldBlock) = part.try_lock() {
            return Err(places.refuse("another process is writing it"));
        }
        let (mut done, mut kept) = (0, 0);
        if existing == Existing::Resume {
            (done, kept) = read_lines(&part, inputs, tally).map_err(unwritable)?;
        }
        let length = part.metadata().map_err(unwritable)?.len();
        part.set_len(kept).and_then(|()| part.seek(SeekFrom::Start(kept))).map_err(unwritable)?;
        write_run(&places.run, &run).map_err(unwritable)?;
        let dropped = if existing == Existing::Resume { length - kept } else { 0 };
        Ok(Opened::Unfinished { journal: Box::new(Self { places, run, part, synced: Instant::now() }), done, dropped })
    }

    /// Appends one line, which has no line break in it.
    pub(super) fn write(&mut self, line: &str) -> io::Result<()> {
        self.part.write_all(format!("{line}\n").as_bytes())?;
        if self.synced.elapsed() >= SYNC_EVERY {
            self.part.sync_data()?;
            self.synced = Instant::now();
        }
        Ok(())
    }

    /// Makes the output whole: the lines as they are, or what `render` makes of them.
    pub(super) fn finish(mut self, tally: &Tally, render: Option<&Render<'_>>) -> io::Result<()> {
        self.part.sync_all()?;
        self.run.finished = Some(tally.clone());
        write_run(&self.places.run, &self.run)?;
        match render {
            None => fs::rename(&self.places.part, &self.places.whole)?,
            Some(render) => {
                self.part.rewind()?;
                replace(&self.places.whole, |to| render(&mut BufReader::new(&self.part), to))?;
                fs::remove_file(&self.places.part)?;
            }
        }
        sync_folder(&self.places.whole)
    }
}

/// Turns the lines into another format.
pub(super) type Render<'a> = dyn Fn(&mut dyn BufRead, &mut dyn Write) -> io::Result<()> + 'a;

/// Counts the lines that are whole and are those of the inputs, in their order. Returns how many, and how many bytes they have: what follows them
/// is torn, or was lost by the disk.
fn read_lines(part: &File, inputs: &Inputs, tally: &mut Tally) -> io::Result<(usize, u64)> {
    let mut reader = BufReader::new(part);
    let (mut done, mut kept, mut text) = (0, 0, Vec::new());
    for input in &inputs.list {
        text.clear();
        reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut text)?;
        let line = text.strip_suffix(b"\n").and_then(|line| serde_json::from_slice::<Line>(line).ok());
        match line.filter(|line| line.file == input.name()) {
            Some(line) => tally.add(&line),
            None => break,
        }
        done += 1;
        kept += text.len() as u64;
    }
    Ok((done, kept))
}

/// Says what differs from the run that is to be taken up.
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
    Err(format!("it belongs to another run ({}): --overwrite begins anew", differences.join("; ")))
}

/// Nothing if there is none, or none that can be read: it is written whole, so that is none of ours.
fn read_run(path: &Path) -> Result<Option<Run>> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::Read(error).in_file(path)),
    }
}

fn write_run(path: &Path, run: &Run) -> io::Result<()> {
    replace(path, |to| {
        serde_json::to_writer_pretty(&mut *to, run)?;
        to.write_all(b"\n")
    })?;
    sync_folder(path)
}

/// Writes a file beside and renames it, so that whoever looks sees the old one or the new one, whole.
fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut beside = OsString::from(path);
    beside.push(".tmp");
    let mut to = io::BufWriter::new(File::create(&beside)?);
    write(&mut to)?;
    to.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&beside, path)
}

/// A rename is on the disk when its folder is. Systems that cannot open folders do that by themselves.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).map_or(Ok(()), |folder| folder.sync_all().or(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::batch::inputs::Input;
    use crate::cli::batch::testing::folder;
    use serde_json::json;

    fn inputs(names: &[&str]) -> Inputs {
        Inputs { list: names.iter().map(Input::file).collect(), columns: Vec::new() }
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

    /// The journal and the lines that are done.
    fn unfinished(at: &Path, existing: Existing) -> (Journal, usize, u64, Tally) {
        match open(at, "m", existing).unwrap() {
            (Opened::Unfinished { journal, done, dropped }, tally) => (*journal, done, dropped, tally),
            (Opened::Finished, _) => panic!("it is finished"),
        }
    }

    fn whole() -> String {
        NAMES.map(|name| line(name) + "\n").concat()
    }

    /// The output is killed at every byte, and taken up.
    #[test]
    fn whatever_byte_it_ends_at_it_is_taken_up() {
        let at = folder("every_byte").join("out.jsonl");
        let places = Places::of(&at);
        for killed in 0..=whole().len() {
            drop(unfinished(&at, Existing::Overwrite));
            fs::write(&places.part, &whole().as_bytes()[..killed]).unwrap();
            let (mut journal, done, dropped, mut tally) = unfinished(&at, Existing::Resume);
            assert_eq!(done, whole()[..killed].matches('\n').count(), "at {killed}");
            assert_eq!((done * whole().len() / 3) as u64 + dropped, killed as u64);
            assert_eq!(tally.answered, done as u64);
            for name in &NAMES[done..] {
                journal.write(&line(name)).unwrap();
                tally.answered += 1;
            }
            journal.finish(&tally, None).unwrap();
            assert_eq!(fs::read_to_string(&at).unwrap(), whole(), "killed at {killed}");
            assert!(!places.part.exists());
        }
        assert!(matches!(open(&at, "m", Existing::Resume).unwrap(), (Opened::Finished, tally) if tally.answered == 3));
    }

    #[test]
    fn a_line_that_the_disk_lost_ends_what_is_kept() {
        let at = folder("lost").join("out.jsonl");
        drop(unfinished(&at, Existing::Refuse));
        let zeros = [line("a"), "\0".repeat(40), line("c")].join("\n") + "\n";
        fs::write(Places::of(&at).part, &zeros).unwrap();
        let (_, done, dropped, _) = unfinished(&at, Existing::Resume);
        assert_eq!((done, dropped), (1, (zeros.len() - line("a").len() - 1) as u64));
    }

    #[test]
    fn what_is_there_is_left_alone_unless_asked() {
        let at = folder("there").join("out.jsonl");
        let refused = |model, existing| open(&at, model, existing).map(|_| ()).unwrap_err().to_string();
        let (mut journal, ..) = unfinished(&at, Existing::Refuse);
        assert!(refused("m", Existing::Resume).contains("another process") || cfg!(not(unix)));
        journal.write(&line("a")).unwrap();
        drop(journal);
        assert!(refused("m", Existing::Refuse).contains("--resume takes it up"));
        let other = refused("other", Existing::Resume);
        assert!(other.contains(r#"model was "m", now "other""#) && other.contains("out.jsonl"), "{other}");
        let (journal, done, ..) = unfinished(&at, Existing::Resume);
        assert_eq!(done, 1);
        journal.finish(&Tally::default(), None).unwrap();
        assert!(refused("m", Existing::Refuse).contains("--overwrite"));
        assert!(refused("other", Existing::Resume).contains("another run"));
        fs::remove_file(Places::of(&at).run).unwrap();
        assert!(refused("m", Existing::Resume).contains("run.json is missing"));
    }

    /// Begun anew, the old output stays until the new one is whole.
    #[test]
    fn an_output_is_replaced_in_one_go() {
        let at = folder("replaced").join("out.jsonl");
        fs::write(&at, "old").unwrap();
        let (mut journal, ..) = unfinished(&at, Existing::Overwrite);
        journal.write(&line("a")).unwrap();
        assert_eq!(fs::read_to_string(&at).unwrap(), "old");
        let render = |from: &mut dyn BufRead, to: &mut dyn Write| {
            let mut text = String::new();
            from.read_to_string(&mut text)?;
            write!(to, "<{text}>")
        };
        journal.finish(&Tally::default(), Some(&render)).unwrap();
        assert_eq!(fs::read_to_string(&at).unwrap(), format!("<{}\n>", line("a")));
    }
}
