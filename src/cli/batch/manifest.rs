//! A table of recordings (CSV, or TSV by its name) whose own columns are kept in the output.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use persona_engine::{Error, Result};
use serde_json::Value;

use super::inputs::{Input, MAX_INPUTS};

/// The column that names the file where no other is asked for.
const FILE_COLUMN: &str = "file";
/// The longest row, in bytes. A longer one is a quotation mark that nobody closed.
const MAX_ROW: usize = 1 << 20;
/// The most columns.
const MAX_COLUMNS: usize = 1000;

/// A table, read.
#[derive(Debug)]
pub(super) struct Manifest {
    /// Names of the columns, in their order.
    pub(super) columns: Vec<String>,
    /// The rows, in their order.
    pub(super) inputs: Vec<Input>,
}

/// Reads a table. Files are named from the table's folder. A row that cannot be used stops it all, before an hour is spent on the others.
///
/// # Errors
/// Naming the table, and the line: no header, a column that is named twice, no column for the files, a row of another length, an empty name,
/// text that is no UTF-8, a quotation mark that is left open.
pub(super) fn read(table: &Path, file_column: Option<&str>) -> Result<Manifest> {
    let delimiter = if table.extension().is_some_and(|e| e.eq_ignore_ascii_case("tsv")) { b'\t' } else { b',' };
    let open = || {
        let file = File::open(table)?;
        if !file.metadata()?.is_file() {
            return Err(Error::Unsupported("no regular file; a manifest is one CSV file".into()));
        }
        let bytes = without_mark(BufReader::new(file))?;
        parse(bytes, delimiter, file_column.unwrap_or(FILE_COLUMN), table.parent().unwrap_or(Path::new("")))
    };
    open().map_err(|error: Error| error.in_file(table))
}

/// The bytes behind a byte order mark, if there is one.
fn without_mark(mut reader: BufReader<File>) -> Result<impl Read> {
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    Ok(reader)
}

/// A reader that fails when a row takes too many bytes, before they fill the memory.
struct Bounded<R> {
    from: R,
    /// Bytes that the row may still take; set anew for each row.
    left: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(out)?;
        match self.left.get().checked_sub(read) {
            Some(left) => self.left.set(left),
            None => return Err(io::Error::other("a row of over 1 MiB: is a quotation mark left open?")),
        }
        Ok(read)
    }
}

fn parse(from: impl Read, delimiter: u8, file_column: &str, folder: &Path) -> Result<Manifest> {
    let left = Rc::new(Cell::new(MAX_ROW));
    let from = Bounded { from, left: Rc::clone(&left) };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(from);
    let mut row = csv::StringRecord::new();
    if !reader.read_record(&mut row).map_err(|error| problem(&error))? {
        return Err(Error::Config("the table is empty: not even a header".into()));
    }
    let columns = columns(&row)?;
    let Some(at) = columns.iter().position(|column| column == file_column) else {
        let what = format!("no column `{file_column}` that names the files; it has {}", columns.join(", "));
        return Err(Error::Config(format!("{what} (--file-column NAME takes another)")));
    };
    let mut inputs = Vec::new();
    while reader.read_record(&mut row).map_err(|error| problem(&error))? {
        let line = row.position().map_or(0, csv::Position::line);
        if inputs.len() == MAX_INPUTS {
            let limit = MAX_INPUTS as u64;
            return Err(Error::Limit { what: "number of rows", actual: limit + 1, limit });
        }
        left.set(MAX_ROW);
        inputs.push(input(&row, &columns, at, folder).map_err(|what| Error::Config(format!("line {line}: {what}")))?);
    }
    Ok(Manifest { columns, inputs })
}

fn columns(header: &csv::StringRecord) -> Result<Vec<String>> {
    if header.len() > MAX_COLUMNS {
        let (actual, limit) = (header.len() as u64, MAX_COLUMNS as u64);
        return Err(Error::Limit { what: "number of columns", actual, limit });
    }
    let columns: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    let mut seen = BTreeSet::new();
    match columns.iter().find(|column| column.is_empty() || !seen.insert(*column)) {
        Some(column) if column.is_empty() => Err(Error::Config("line 1: a column has no name".into())),
        Some(column) => Err(Error::Config(format!("line 1: the column `{column}` is named twice"))),
        None => Ok(columns),
    }
}

fn input(row: &csv::StringRecord, columns: &[String], at: usize, folder: &Path) -> Result<Input, String> {
    if row.len() != columns.len() {
        return Err(format!("{} fields where the header has {}", row.len(), columns.len()));
    }
    match row.get(at).map(str::trim) {
        Some(name) if !name.is_empty() => Ok(Input { own: Some(own(row, columns)), ..Input::file(folder.join(name)) }),
        _ => Err(format!("the column `{}` is empty", columns[at])),
    }
}

/// The row as a JSON object, its columns in their order and all values text, as they stand in the table.
fn own(row: &csv::StringRecord, columns: &[String]) -> Box<str> {
    let text = |value: &str| Value::from(value).to_string();
    let pairs: Vec<String> = columns.iter().zip(row).map(|(key, value)| text(key) + ":" + &text(value)).collect();
    format!("{{{}}}", pairs.join(",")).into_boxed_str()
}

fn problem(error: &csv::Error) -> Error {
    let line = error.position().map(|at| format!("line {}: ", at.line())).unwrap_or_default();
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => Error::Config(format!("{line}not UTF-8: save the table in that encoding")),
        csv::ErrorKind::Io(error) => Error::Config(format!("{line}{error}")),
        _ => Error::malformed("CSV", error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Manifest> {
        parse(text.as_bytes(), b',', "file", "calls".as_ref())
    }

    #[test]
    fn own_columns_are_kept_as_they_stand() {
        let read = of("id,file,note\n7,a.wav,\"says \"\"no\"\", twice\nthen hangs up\"\n08,/x/b.wav,\n").unwrap();
        assert_eq!(read.columns, ["id", "file", "note"]);
        let rows: Vec<_> = read.inputs.iter().map(|input| (input.name(), input.own.as_deref().unwrap())).collect();
        assert_eq!(rows[0].0, "calls/a.wav");
        assert_eq!(rows[0].1, r#"{"id":"7","file":"a.wav","note":"says \"no\", twice\nthen hangs up"}"#);
        assert_eq!(rows[1], ("/x/b.wav".into(), r#"{"id":"08","file":"/x/b.wav","note":""}"#));
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_line() {
        for (text, words) in [
            ("", "empty"),
            ("id,path\n1,a.wav\n", "no column `file` that names the files; it has id, path"),
            ("file,file\na,b\n", "line 1: the column `file` is named twice"),
            ("file,\na,b\n", "line 1: a column has no name"),
            ("file,id\na.wav,1\nb.wav\n", "line 3: 1 fields where the header has 2"),
            ("file,id\n ,1\n", "line 2: the column `file` is empty"),
        ] {
            let message = of(text).unwrap_err().to_string();
            assert!(message.contains(words), "{text}: {message}");
        }
        let latin = parse(&b"file,note\na.wav,caf\xe9\n"[..], b',', "file", "".as_ref()).unwrap_err().to_string();
        assert!(latin.contains("line 2: not UTF-8"), "{latin}");
        let open = b"file,note\na.wav,\"".chain(std::io::repeat(b'x'));
        let open = parse(open, b',', "file", "".as_ref()).unwrap_err().to_string();
        assert!(open.contains("quotation mark"), "{open}");
    }
}
