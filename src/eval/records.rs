//! A CSV file as records with their lines (RFC 4180): a byte order mark, CRLF, quoted commas and line breaks are read, and nothing is believed.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};

use super::problem::{Problem, Reason};

/// The largest table that is read: 256 MiB, some millions of clips.
const MAX_BYTES: u64 = 256 << 20;
/// The most rows.
const MAX_ROWS: u64 = 2_000_000;
/// The most columns.
const MAX_COLUMNS: usize = 1_000;
/// The longest field. A longer one is a quote that nobody closed, not a label.
const MAX_FIELD_BYTES: usize = 16 << 10;

/// One row: as many fields as there are columns, without surrounding blanks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Line on which it begins, from 1.
    pub(super) line: u64,
    pub(super) fields: Vec<String>,
}

/// A file, read.
#[derive(Debug)]
pub(super) struct Records {
    /// Names of the columns as they stand in the header.
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Record>,
    /// Rows that are no records, in the order of their lines.
    pub(super) problems: Vec<Problem>,
}

impl Records {
    /// Reads a file.
    ///
    /// # Errors
    /// Naming the file: [`Error::Read`]; [`Error::Limit`] for sizes beyond the constants above; [`Error::Config`] for a header that is empty, or
    /// that names a column twice. Rows that are no records are [`Records::problems`].
    pub(super) fn read(path: &Path) -> Result<Self> {
        read_bytes(path).and_then(|bytes| Self::parse(&bytes)).map_err(|error| error.in_file(path))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(bytes);
        let mut rows = reader.byte_records();
        let Some(header) = rows.next() else {
            return Err(Error::Config("the table is empty: not even a header".into()));
        };
        let columns = columns(&header.map_err(|error| no_csv(&error))?)?;
        let mut read = Self { columns, rows: Vec::new(), problems: Vec::new() };
        let mut lines = Lines { bytes, at: 0, line: 1 };
        for (count, row) in (1..).zip(rows) {
            if count > MAX_ROWS {
                return Err(Error::Limit { what: "number of rows", actual: count, limit: MAX_ROWS });
            }
            let row = row.map_err(|error| no_csv(&error))?;
            let begin = row.position().map_or(0, csv::Position::byte);
            read.add(lines.line_from(begin as usize), &row);
        }
        Ok(read)
    }

    fn add(&mut self, line: u64, row: &csv::ByteRecord) {
        match record(line, row, self.columns.len()) {
            Ok(record) => self.rows.push(record),
            Err(problem) => self.problems.push(problem),
        }
    }
}

/// Counts lines on the way through a text. (The reader's own count is one behind after CRLF and blank lines.)
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the first byte from `begin` on that is no line break. `begin` must not go back.
    fn line_from(&mut self, begin: usize) -> u64 {
        while let Some(&byte) = self.bytes.get(self.at) {
            let is_break = matches!(byte, b'\r' | b'\n');
            if self.at >= begin && !is_break {
                break;
            }
            // of CRLF the second byte counts
            let counts = byte == b'\n' || (byte == b'\r' && self.bytes.get(self.at + 1) != Some(&b'\n'));
            self.line += u64::from(counts);
            self.at += 1;
        }
        self.line
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Error::Unsupported("no regular file; a table of clips is one CSV file".into()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::Limit { what: "size of the table in bytes", actual: bytes.len() as u64, limit: MAX_BYTES });
    }
    Ok(bytes)
}

fn columns(header: &csv::ByteRecord) -> Result<Vec<String>> {
    if header.len() > MAX_COLUMNS {
        let (actual, limit) = (header.len() as u64, MAX_COLUMNS as u64);
        return Err(Error::Limit { what: "number of columns", actual, limit });
    }
    let mut columns: Vec<String> = Vec::new();
    for field in header {
        let name = std::str::from_utf8(field).ok().filter(|name| name.len() <= MAX_FIELD_BYTES);
        let Some(name) = name.map(str::trim) else {
            return Err(Error::Config("line 1: the header is no text: this is no CSV table in UTF-8".into()));
        };
        if !name.is_empty() && columns.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            return Err(Error::Config(format!("line 1: the column `{name}` is named twice")));
        }
        columns.push(name.to_owned());
    }
    Ok(columns)
}

fn record(line: u64, row: &csv::ByteRecord, columns: usize) -> Result<Record, Problem> {
    if let Some(long) = row.iter().map(<[u8]>::len).find(|&n| n > MAX_FIELD_BYTES) {
        let what = format!("a field of {long} bytes: is a quotation mark left open?");
        return Err(Problem::new(line, Reason::RowShape, what));
    }
    if row.len() != columns {
        let what = format!("{} fields where the header has {columns}", row.len());
        return Err(Problem::new(line, Reason::RowShape, what));
    }
    let text = |field| std::str::from_utf8(field).map(|text| text.trim().to_owned());
    match row.iter().map(text).collect() {
        Ok(fields) => Ok(Record { line, fields }),
        Err(_) => Err(Problem::new(line, Reason::Encoding, "not UTF-8: save the table in that encoding")),
    }
}

/// In memory only UTF-8 and lengths could fail, and neither is checked by the reader.
fn no_csv(error: &csv::Error) -> Error {
    Error::malformed("CSV", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Vec<(u64, Vec<String>)> {
        let read = Records::parse(bytes).unwrap();
        assert_eq!(read.columns, ["file", "emotion"]);
        assert_eq!(read.problems, []);
        read.rows.into_iter().map(|r| (r.line, r.fields)).collect()
    }

    #[test]
    fn mark_line_ends_quotes_and_blank_lines_are_read() {
        let expected = [(2, vec!["a.wav".to_owned(), "ANG".into()]), (3, vec!["b, c.wav".into(), "say \"x\"".into()])];
        for text in [
            "file,emotion\na.wav,ANG\n\"b, c.wav\",\"say \"\"x\"\"\"\n",
            "\u{feff}file,emotion\r\na.wav,ANG\r\n\"b, c.wav\",\"say \"\"x\"\"\"",
            " file , emotion\n  a.wav ,ANG \n\"b, c.wav\",\"say \"\"x\"\"\"\n\n\n",
        ] {
            assert_eq!(fields(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_are_those_of_an_editor() {
        for (text, lines) in [
            ("file,emotion\n\"a\nb\",x\nc,y\n", [2, 4]),
            ("file,emotion\r\n\"a\r\nb\",x\r\nc,y", [2, 4]),
            ("file,emotion\n\n\na,x\n\nc,y\n", [4, 6]),
            ("\u{feff}file,emotion\r\n\r\na,x\r\nc,y\r\n", [3, 4]),
            ("file,emotion\ra,x\rc,y\r", [2, 3]),
        ] {
            let read = fields(text.as_bytes());
            assert_eq!(read.iter().map(|(line, _)| *line).collect::<Vec<_>>(), lines, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_record_is_named_with_its_line() {
        let read = Records::parse(b"file,emotion\na,b,c\nd\n\xff,e\nf,g\n").unwrap();
        assert_eq!(read.rows, [Record { line: 5, fields: vec!["f".into(), "g".into()] }]);
        let told: Vec<_> = read.problems.iter().map(|p| (p.line, p.reason)).collect();
        assert_eq!(told, [(2, Reason::RowShape), (3, Reason::RowShape), (4, Reason::Encoding)]);
    }

    #[test]
    fn a_quote_left_open_is_told() {
        let text = format!("file,emotion\n\"a,b\n{}", "c,d\n".repeat(10_000));
        let read = Records::parse(text.as_bytes()).unwrap();
        assert!(read.problems[0].message.contains("quotation mark left open"), "{:?}", read.problems);
    }

    #[test]
    fn headers_that_are_none_are_refused() {
        let message = |bytes: &[u8]| Records::parse(bytes).unwrap_err().to_string();
        assert!(message(b"").contains("empty"));
        assert!(message(b"\xef\xbb\xbf").contains("empty"));
        assert!(message(b"file,emotion,File\n").contains("`File` is named twice"));
        assert!(message(b"RIFF\xff\xff\n").contains("no CSV table"));
        assert!(message(",".repeat(MAX_COLUMNS + 1).as_bytes()).contains("number of columns"));
    }

    #[test]
    fn what_is_no_file_is_told() {
        let message = |path: &str| Records::read(path.as_ref()).unwrap_err().to_string();
        assert!(message("/nowhere/t.csv").starts_with("/nowhere/t.csv: cannot read"));
        assert!(message(env!("CARGO_MANIFEST_DIR")).contains("no regular file"));
    }
}
