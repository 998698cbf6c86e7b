//! A manifest: a table of recordings (CSV, or TSV by its name) whose columns are copied to the
//! output.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::input::{Input, MAX_INPUTS, Manifest, Row};
use persona_engine::{Error, Result};

/// Default column of the file names.
const FILE_COLUMN: &str = "file";
/// Maximum size of a row, bytes. A longer one is an unclosed quotation mark.
const MAX_ROW: usize = 1 << 20;
/// Maximum number of columns.
const MAX_COLUMNS: usize = 1000;

/// Reads a manifest. File names are relative to its folder. An invalid row is an error, before
/// hours are spent on the others.
///
/// # Errors
/// Named after the file and the line: no header, a duplicate column, no column for the files, a row
/// of another length, an empty file name, text that is not UTF-8, an unclosed quotation mark.
pub(super) fn read(table: &Path, file_column: Option<&str>) -> Result<Manifest> {
    let delimiter = if table.extension().is_some_and(|e| e.eq_ignore_ascii_case("tsv")) { b'\t' } else { b',' };
    let read = || {
        let file = File::open(table)?;
        if !file.metadata()?.is_file() {
            return Err(Error::Unsupported("not a regular file; a manifest is a CSV file".into()));
        }
        let bytes = skip_byte_order_mark(BufReader::new(file))?;
        parse(bytes, delimiter, file_column.unwrap_or(FILE_COLUMN), table.parent().unwrap_or(Path::new("")))
    };
    read().map_err(|error: Error| error.in_file(table))
}

/// Skips a UTF-8 byte order mark.
fn skip_byte_order_mark(mut reader: BufReader<File>) -> Result<impl Read> {
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    Ok(reader)
}

/// A reader that fails when a row has too many bytes, before they fill the memory.
struct Bounded<R> {
    from: R,
    /// Bytes that the row may still have; reset for each row.
    left: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(out)?;
        match self.left.get().checked_sub(read) {
            Some(left) => self.left.set(left),
            None => return Err(io::Error::other("a row of over 1 MiB (an unclosed quotation mark?)")),
        }
        Ok(read)
    }
}

fn parse(from: impl Read, delimiter: u8, file_column: &str, folder: &Path) -> Result<Manifest> {
    let left = Rc::new(Cell::new(MAX_ROW));
    let from = Bounded { from, left: Rc::clone(&left) };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(from);
    let mut row = csv::StringRecord::new();
    if !reader.read_record(&mut row).map_err(|error| csv_error(&error))? {
        return Err(Error::malformed("CSV", "empty, without a header"));
    }
    let columns: Arc<[String]> = columns(&row)?.into();
    let Some(file_index) = columns.iter().position(|column| column == file_column) else {
        let what = format!("no column `{file_column}` for the file names; available: {}", columns.join(", "));
        return Err(Error::usage(format!("{what} (select one with --file-column NAME)")));
    };
    let mut inputs = Vec::new();
    while reader.read_record(&mut row).map_err(|error| csv_error(&error))? {
        let line = row.position().map_or(0, csv::Position::line);
        if inputs.len() == MAX_INPUTS {
            let limit = MAX_INPUTS as u64;
            return Err(Error::Limit { what: "number of rows", actual: limit + 1, limit });
        }
        left.set(MAX_ROW);
        let malformed = |what| Error::malformed("CSV", format!("line {line}: {what}"));
        inputs.push(input(&row, &columns, file_index, folder).map_err(malformed)?);
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
        Some(column) if column.is_empty() => Err(Error::malformed("CSV", "line 1: a column without a name")),
        Some(column) => Err(Error::malformed("CSV", format!("line 1: duplicate column `{column}`"))),
        None => Ok(columns),
    }
}

fn input(row: &csv::StringRecord, columns: &Arc<[String]>, file_index: usize, folder: &Path) -> Result<Input, String> {
    if row.len() != columns.len() {
        return Err(format!("{} fields; the header has {}", row.len(), columns.len()));
    }
    match row.get(file_index).map(str::trim) {
        Some(name) if !name.is_empty() => {
            Ok(Input { row: Some(Row::new(columns, row.iter())), ..Input::file(folder.join(name)) })
        }
        _ => Err(format!("the column `{}` is empty", columns[file_index])),
    }
}

fn csv_error(error: &csv::Error) -> Error {
    let line = error.position().map(|at| format!("line {}: ", at.line())).unwrap_or_default();
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => Error::malformed("CSV", format!("{line}not UTF-8; save the table in UTF-8")),
        csv::ErrorKind::Io(error) => Error::malformed("CSV", format!("{line}{error}")),
        _ => Error::malformed("CSV", error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> Result<Manifest> {
        parse(text.as_bytes(), b',', "file", "calls".as_ref())
    }

    #[test]
    fn rows_keep_all_columns_verbatim() {
        let read =
            parse_text("id,file,note\n7,a.wav,\"says \"\"no\"\", twice\nthen hangs up\"\n08,/x/b.wav,\n").unwrap();
        assert_eq!(*read.columns, ["id", "file", "note"]);
        let json = |input: &Input| serde_json::to_string(&input.row).unwrap();
        let rows: Vec<_> = read.inputs.iter().map(|input| (input.name(), json(input))).collect();
        assert_eq!(rows[0].0, "calls/a.wav");
        assert_eq!(rows[0].1, r#"{"id":"7","file":"a.wav","note":"says \"no\", twice\nthen hangs up"}"#);
        assert_eq!(rows[1], ("/x/b.wav".into(), r#"{"id":"08","file":"/x/b.wav","note":""}"#.into()));
    }

    #[test]
    fn errors_name_the_line() {
        for (text, words) in [
            ("", "empty"),
            ("id,path\n1,a.wav\n", "no column `file` for the file names; available: id, path"),
            ("file,file\na,b\n", "line 1: duplicate column `file`"),
            ("file,\na,b\n", "line 1: a column without a name"),
            ("file,id\na.wav,1\nb.wav\n", "line 3: 1 fields; the header has 2"),
            ("file,id\n ,1\n", "line 2: the column `file` is empty"),
        ] {
            let message = parse_text(text).unwrap_err().to_string();
            assert!(message.contains(words), "{text}: {message}");
        }
        let latin = parse(&b"file,note\na.wav,caf\xe9\n"[..], b',', "file", "".as_ref()).unwrap_err().to_string();
        assert!(latin.contains("line 2: not UTF-8"), "{latin}");
        let open = b"file,note\na.wav,\"".chain(std::io::repeat(b'x'));
        let open = parse(open, b',', "file", "".as_ref()).unwrap_err().to_string();
        assert!(open.contains("quotation mark"), "{open}");
    }
}
